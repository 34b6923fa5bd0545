#include "writer/data_writer.h"

#include <algorithm>
#include <vector>

#include "format/bytes.h"

namespace cim {

namespace {

// A stream with more bytes than this in blocks of zeros gets no object id: hashing a hole of
// terabytes could take hours. Whether the zeros were written is not asked, so that the same file
// makes the same image from a file system without holes.
constexpr std::uint64_t max_hashed_hole = std::uint64_t{64} << 20;

constexpr std::size_t block_size = 4096;
constexpr std::size_t chunk_size = 1 << 20;

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
  in_order_ = in_order_ && offset >= hashed_ && offset - hashed_ <= max_hashed_hole;
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

bool DataWriter::is_mostly_hole() const noexcept {
  const std::uint64_t blocks = (size_ + block_size - 1) / block_size;
  return (blocks - std::min(blocks, data_blocks_)) * block_size > max_hashed_hole;
}

Stream DataWriter::finish() {
  if (all_zeros_) {
    region_.give_back();
    return {.length = size_, .sparse = true};
  }
  if (is_mostly_hole()) return finish_mostly_hole();
  const ObjectId id = {size_, digest_of_extent()};
  if (const auto equal =
          store_.find_equal(id, [this](const Stream& other) { return equals(other); })) {
    region_.give_back();
    return *equal;
  }
  store_.add(id, extent_);
  return {.region_offset = extent_, .length = size_};
}

Stream DataWriter::finish_mostly_hole() {
  const ObjectId id = {size_, digest_of_blocks()};
  const auto [first, is_new] = store_.mostly_holes().try_emplace(id, extent_);
  if (!is_new) region_.give_back();
  return {.region_offset = first->second, .length = size_};
}

Digest DataWriter::digest_of_extent() {
  if (in_order_) {
    hasher_.update_zeros(size_ - hashed_);
    return hasher_.finish();
  }
  hasher_.reset();
  std::vector<std::byte> chunk(chunk_size);
  for (std::uint64_t offset = 0; offset < size_; offset += chunk.size()) {
    chunk.resize(std::min<std::uint64_t>(chunk_size, size_ - offset));
    region_.read_at(format::byte_offset(extent_) + offset, chunk);
    hasher_.update(chunk);
  }
  return hasher_.finish();
}

// The digest of the blocks that are not all zeros, and of where they are.
Digest DataWriter::digest_of_blocks() {
  hasher_.reset();
  std::vector<std::byte> block(block_size);
  const std::uint64_t start = format::byte_offset(extent_);
  std::uint64_t offset = 0;
  while (const auto data = region_.next_data(start + offset, start + size_)) {
    offset = (*data - start) / block_size * block_size;
    block.resize(std::min<std::uint64_t>(block_size, size_ - offset));
    region_.read_at(start + offset, block);
    if (!format::is_zero(block)) {
      hasher_.update(format::bytes_of(offset));
      hasher_.update(block);
    }
    offset += block.size();
  }
  return hasher_.finish();
}

bool DataWriter::equals(const Stream& other) const {
  std::vector<std::byte> ours(chunk_size);
  std::vector<std::byte> theirs(chunk_size);
  for (std::uint64_t offset = 0; offset < size_; offset += ours.size()) {
    ours.resize(std::min<std::uint64_t>(chunk_size, size_ - offset));
    theirs.resize(ours.size());
    region_.read_at(format::byte_offset(extent_) + offset, ours);
    store_.base()->read(other, offset, theirs);
    if (ours != theirs) return false;
  }
  return true;
}

}  // namespace cim
