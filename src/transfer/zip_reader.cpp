// Reads zip archives with libarchive.
#include "transfer/zip_reader.h"

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <sys/stat.h>

#include "image/file_io.h"

namespace cim::transfer {

void ZipReader::CloseArchive::operator()(archive* reader) const noexcept {
  archive_read_free(reader);
}

ZipReader::ZipReader(int fd, std::string name)
    : fd_(fd), name_(std::move(name)), archive_(archive_read_new()) {
  if (!archive_) throw std::bad_alloc();
  struct stat status;
  if (fstat(fd_, &status) != 0) throw system_error(errno, name_);
  if (!S_ISREG(status.st_mode)) {
    throw Error(Errc::unsupported, "is no regular file; a zip archive is read from its end")
        .with_path(name_);
  }
  input_size_ = static_cast<std::uint64_t>(status.st_size);
  archive* const reader = archive_.get();
  archive_read_support_format_zip_seekable(reader);
  archive_read_set_callback_data(reader, this);
  archive_read_set_read_callback(reader, read_input);
  archive_read_set_seek_callback(reader, seek_input);
  if (archive_read_open1(reader) != ARCHIVE_OK) throw failure();
}

ZipReader::~ZipReader() = default;

std::ptrdiff_t ZipReader::read_input(archive* reader, void* self, const void** data) {
  auto& zip = *static_cast<ZipReader*>(self);
  try {
    const std::size_t size =
        read_at(zip.fd_, zip.buffer_.data(), zip.buffer_.size(), zip.position_, zip.name_);
    zip.position_ += size;
    *data = zip.buffer_.data();
    return static_cast<std::ptrdiff_t>(size);
  } catch (const Error& error) {
    archive_set_error(reader, EIO, "%s", error.reason().c_str());
    return ARCHIVE_FATAL;
  }
}

std::int64_t ZipReader::seek_input(archive*, void* self, std::int64_t offset, int whence) {
  auto& zip = *static_cast<ZipReader*>(self);
  std::int64_t base = 0;
  if (whence == SEEK_CUR) base = static_cast<std::int64_t>(zip.position_);
  if (whence == SEEK_END) base = static_cast<std::int64_t>(zip.input_size_);
  std::int64_t position = 0;
  if (__builtin_add_overflow(base, offset, &position)) return ARCHIVE_FATAL;
  zip.position_ = static_cast<std::uint64_t>(
      std::clamp(position, std::int64_t{0}, static_cast<std::int64_t>(zip.input_size_)));
  return static_cast<std::int64_t>(zip.position_);
}

const ZipMember* ZipReader::next() {
  archive_entry* entry = nullptr;
  member_.name.clear();
  received_ = 0;
  const int result = archive_read_next_header(archive_.get(), &entry);
  if (result == ARCHIVE_EOF) return nullptr;
  const char* const name = entry == nullptr ? nullptr : archive_entry_pathname(entry);
  if (name != nullptr) member_.name = name;
  if (result != ARCHIVE_OK) throw failure();
  if (name == nullptr) throw member_error("has a member without a name");
  if (archive_entry_filetype(entry) != AE_IFREG) throw member_error("is not a regular file");
  member_.size = static_cast<std::uint64_t>(archive_entry_size(entry));
  member_.mtime = {.tv_sec = archive_entry_mtime(entry),
                   .tv_nsec = archive_entry_mtime_nsec(entry)};
  return &member_;
}

ByteView ZipReader::read() {
  const void* data = nullptr;
  std::size_t size = 0;
  std::int64_t offset = 0;
  // Not to the end of the stream: makemsix leaves out what ends one, which is an error to
  // libarchive.
  while (received_ < member_.size) {
    const int result = archive_read_data_block(archive_.get(), &data, &size, &offset);
    if (result == ARCHIVE_EOF) throw member_error("has less data than it should");
    if (result != ARCHIVE_OK) throw failure();
    if (size > member_.size - received_) throw member_error("has more data than it should");
    received_ += size;
    if (size != 0) return {static_cast<const std::byte*>(data), size};
  }
  return {};
}

Error ZipReader::failure() const {
  const bool is_zip = archive_format(archive_.get()) != 0;
  if (!is_zip && archive_errno(archive_.get()) != EIO) {
    return member_error("is no zip archive, or is cut short");
  }
  const char* const reason = archive_error_string(archive_.get());
  return member_error(reason == nullptr ? "cannot be read" : reason);
}

Error ZipReader::member_error(const std::string& reason) const {
  return Error(Errc::corrupt, reason).with_path(name_).with_object(member_.name);
}

}  // namespace cim::transfer
