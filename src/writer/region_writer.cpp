#include "writer/region_writer.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <cim/error.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>

#include "format/bytes.h"
#include "image/region.h"

namespace cim {

namespace {

// Also the size of a write, however long the object. For larger writes some kernels use large
// pages, which are less likely to be already in a cache, or in the memory of a virtual machine.
constexpr std::size_t buffer_size = 128 << 10;
constexpr std::uint64_t object_alignment = 8;

// Starts writing to disk while data is still coming, so that little is left when the file is
// synced. An extent may still be dropped while less than the second amount has been written:
// truncating it waits for data on its way to the disk.
constexpr std::uint64_t writeback_size = 8 << 20;
constexpr std::uint64_t writeback_size_within_extent = 64 << 20;

}  // namespace

RegionWriter::RegionWriter(PendingFile file, RegionType type, std::uint16_t region_index)
    : file_(std::move(file)), type_(type), region_index_(region_index) {
  format::RegionHeader header = {};
  std::memcpy(header.common.magic, format::magic, sizeof(format::magic));
  header.common.header_length = sizeof(header);
  header.common.type = format::FileType::region;
  header.common.version_major = format::version_major;
  header.common.version_minor = format::version_minor;
  header.type = static_cast<std::uint8_t>(type);
  buffer_.reserve(buffer_size);
  append(format::bytes_of(header));
}

// The bytes between the end and the next object.
std::uint64_t RegionWriter::padding() const noexcept {
  const std::uint64_t alignment = type_ == RegionType::data ? format::page_size : object_alignment;
  return (alignment - end_ % alignment) % alignment;
}

void RegionWriter::align() {
  const std::uint64_t added = padding();
  buffer_.resize(buffer_.size() + added);
  end_ += added;
}

format::RegionOffset RegionWriter::append(ByteView object) {
  align();
  const format::RegionOffset offset = format::make_region_offset(region_index_, end_);
  if (object.size() >= buffer_size) {
    flush();
    write_to_file(end_, object);
    start_writeback(end_ + object.size(), writeback_size);
  } else {
    if (buffer_.size() + object.size() > buffer_size) flush();
    buffer_.insert(buffer_.end(), object.begin(), object.end());
  }
  end_ += object.size();
  return offset;
}

format::RegionOffset RegionWriter::reserve(std::uint64_t length) {
  flush();
  start_writeback(end_, writeback_size);
  end_before_reserve_ = end_;
  align();
  buffer_.clear();  // the padding stays a hole
  const format::RegionOffset offset = format::make_region_offset(region_index_, end_);
  end_ += length;
  set_size(end_);
  return offset;
}

void RegionWriter::write_at(std::uint64_t byte_offset, ByteView data) {
  write_to_file(byte_offset, data);
  start_writeback(byte_offset + data.size(), writeback_size_within_extent);
}

void RegionWriter::write_to_file(std::uint64_t byte_offset, ByteView data) {
  for (std::size_t at = 0; at < data.size(); at += buffer_size) {
    const ByteView part = data.subspan(at, std::min(buffer_size, data.size() - at));
    file_.write_at(byte_offset + at, part.data(), part.size());
  }
  waiting_ += data.size();
}

bool RegionWriter::share(int fd, std::uint64_t byte_offset, std::uint64_t length) noexcept {
  const file_clone_range range = {
      .src_fd = fd, .src_offset = 0, .src_length = length, .dest_offset = byte_offset};
  return ioctl(file_.fd(), FICLONERANGE, &range) == 0;
}

void RegionWriter::start_writeback(std::uint64_t end, std::uint64_t at_least) noexcept {
  if (end <= writeback_end_ || waiting_ < at_least) return;
  // If this fails, fsync(2) does everything.
  sync_file_range(file_.fd(), static_cast<off_t>(writeback_end_),
                  static_cast<off_t>(end - writeback_end_), SYNC_FILE_RANGE_WRITE);
  writeback_end_ = end;
  waiting_ = 0;
}

void RegionWriter::give_back() {
  end_ = end_before_reserve_;
  // A later extent must not show the data written there.
  set_size(end_);
}

void RegionWriter::flush() {
  if (buffer_.empty()) return;
  write_to_file(end_ - buffer_.size(), buffer_);
  buffer_.clear();
  start_writeback(end_, writeback_size);
}

void RegionWriter::set_size(std::uint64_t size) {
  if (ftruncate(file_.fd(), static_cast<off_t>(size)) != 0) {
    throw system_error(errno, "region file");
  }
}

void RegionWriter::finish() {
  flush();
  end_ += padding();
  set_size(end_);
}

}  // namespace cim
