#include "writer/data_writer.h"

#include <algorithm>
#include <string>

#include "format/bytes.h"
#include "image/object_data.h"

namespace cim {

namespace {

constexpr std::size_t block_size = 4096;

}  // namespace

DataWriter::DataWriter(DataStore& store, std::uint64_t size)
    : store_(store),
      region_(store.data_region(size)),
      size_(size),
      extent_(region_.reserve(size)) {}

void DataWriter::write_at(std::uint64_t offset, ByteView data) {
  if (data.empty()) return;
  all_zeros_ = all_zeros_ && format::is_zero(data);
  const ByteView missing =
      data.subspan(std::min<std::uint64_t>(data.size(), std::max(offset, shared_) - offset));
  region_.write_at(format::byte_offset(extent_) + offset + data.size() - missing.size(), missing);
  hash_in_order(offset, data);
  count_blocks(offset, data);
}

bool DataWriter::share(int fd) {
  const std::uint64_t whole_blocks = size_ / block_size * block_size;
  if (!region_.share(fd, format::byte_offset(extent_), whole_blocks)) return false;
  shared_ = whole_blocks;
  return true;
}

void DataWriter::hash_in_order(std::uint64_t offset, ByteView data) {
  in_order_ = in_order_ && offset >= hashed_;
  if (!in_order_) return;
  skipped_ += offset - hashed_;
  in_order_ = skipped_ <= max_digested_zeros;
  if (!in_order_) return;
  hasher_.update_zeros(offset - hashed_);
  hasher_.update(data);
  hashed_ = offset + data.size();
}

void DataWriter::count_blocks(std::uint64_t offset, ByteView data) {
  const bool goes_back = offset < written_end_;
  while (!data.empty()) {
    const std::uint64_t block = offset / block_size;
    const ByteView part = data.first(std::min(data.size(), block_size - offset % block_size));
    if ((goes_back || block >= counted_to_) && !format::is_zero(part)) {
      ++data_blocks_;
      counted_to_ = std::max(counted_to_, block + 1);
    }
    offset += part.size();
    data = data.subspan(part.size());
  }
  written_end_ = std::max(written_end_, offset);
}

bool DataWriter::is_mostly_zeros() const noexcept {
  const std::uint64_t blocks = (size_ + block_size - 1) / block_size;
  return (blocks - std::min(blocks, data_blocks_)) * block_size > max_digested_zeros;
}

Stream DataWriter::finish() {
  if (all_zeros_) {
    region_.give_back();
    return {.length = size_, .sparse = true};
  }
  const ObjectId id = {size_, digest()};
  if (const auto equal =
          store_.find_equal(id, [this](const Stream& other) { return equals(other); })) {
    region_.give_back();
    return *equal;
  }
  store_.add(id, extent_);
  return {.region_offset = extent_, .length = size_};
}

FilePart DataWriter::extent() const {
  static const std::string name = "region file";
  return {region_.file().fd(), format::byte_offset(extent_), size_, name};
}

Digest DataWriter::digest() {
  if (is_mostly_zeros()) return digest_of_blocks(extent());
  if (!in_order_) return digest_of_bytes(extent());
  hasher_.update_zeros(size_ - hashed_);
  return hasher_.finish();
}

bool DataWriter::equals(const Stream& other) const {
  const Image& base = *store_.base();
  const Extent theirs = base.extent(other, 0, other.length);
  return have_equal_data(extent(),
                         {theirs.fd, theirs.position, theirs.length, base.path(), theirs.bytes});
}

}  // namespace cim
