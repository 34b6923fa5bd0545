#include "writer/data_writer.h"

#include <algorithm>
#include <cstring>

#include "format/bytes.h"

namespace cim {

namespace {

// Data up to this length goes to the small data region without alignment; aligning it would waste
// half a page each. Longer data can be mapped, spliced and shared by the page.
constexpr std::uint64_t max_small_length = 16 * 1024;

// A stream with more bytes than this in blocks of zeros gets no object id: hashing a hole of
// terabytes could take hours. Whether the zeros were written is not asked, so that the same file
// makes the same image from a file system without holes.
constexpr std::uint64_t max_hashed_hole = std::uint64_t{64} << 20;

constexpr std::size_t block_size = 4096;
constexpr std::size_t chunk_size = 1 << 20;

bool is_zero(ByteView data) {
  return data.empty() || (data[0] == std::byte{0} &&
                          std::memcmp(data.data(), data.data() + 1, data.size() - 1) == 0);
}

Stream stream_at(format::RegionOffset offset, std::uint64_t length) {
  return {.region_offset = offset, .length = length};
}

}  // namespace

DataStore::DataStore(RegionSetWriter& regions, ObjectIndex& objects, const Image* base)
    : regions_(regions), objects_(objects), base_(base) {}

template <typename Same>
std::optional<format::RegionOffset> DataStore::find_equal(const ObjectId& id, Same&& same) const {
  if (const auto own = objects_.find_own(id)) return own;
  const auto claimed = objects_.find_base(id);
  if (!claimed) return std::nullopt;
  try {
    if (same(*claimed)) return claimed;
  } catch (const Error&) {  // the object id file is wrong: not our data
  }
  return std::nullopt;
}

void DataStore::add(const ObjectId& id, format::RegionOffset offset) {
  objects_.add(id, offset);
  identify(id, offset);
}

void DataStore::identify(const ObjectId& id, format::RegionOffset offset) {
  identity_.update(format::bytes_of(offset));
  identity_.update(format::bytes_of(id.length));
  identity_.update(format::bytes_of(id.digest));
}

DataWriter::DataWriter(DataStore& store, std::uint64_t size) : store_(store), size_(size) {
  if (size <= max_small_length) {
    buffer_.resize(size);
    return;
  }
  region_ = &store.regions_.region(RegionType::data, size);
  extent_ = region_->reserve(size);
  store.hasher_.reset();
}

void DataWriter::write_at(std::uint64_t offset, ByteView data) {
  if (data.empty()) return;
  all_zeros_ = all_zeros_ && is_zero(data);
  if (is_small()) {
    std::ranges::copy(data, buffer_.begin() + static_cast<std::ptrdiff_t>(offset));
    return;
  }
  const ByteView missing =
      data.subspan(std::min<std::uint64_t>(data.size(), std::max(offset, shared_) - offset));
  region_->write_at(format::byte_offset(extent_) + offset + data.size() - missing.size(), missing);
  hash_in_order(offset, data);
  count_blocks(offset, data);
}

bool DataWriter::share(int fd) {
  const std::uint64_t whole_blocks = size_ / block_size * block_size;
  if (is_small() || whole_blocks == 0) return false;
  if (!region_->share(fd, format::byte_offset(extent_), whole_blocks)) return false;
  shared_ = whole_blocks;
  return true;
}

void DataWriter::hash_in_order(std::uint64_t offset, ByteView data) {
  in_order_ = in_order_ && offset >= hashed_ && offset - hashed_ <= max_hashed_hole;
  if (!in_order_) return;
  store_.hasher_.update_zeros(offset - hashed_);
  store_.hasher_.update(data);
  hashed_ = offset + data.size();
}

void DataWriter::count_blocks(std::uint64_t offset, ByteView data) {
  const bool goes_back = offset < written_end_;
  while (!data.empty()) {
    const std::uint64_t block = offset / block_size;
    const ByteView part = data.first(std::min(data.size(), block_size - offset % block_size));
    if ((goes_back || block >= counted_to_) && !is_zero(part)) {
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
  if (size_ == 0) return {};
  if (all_zeros_) {
    discard();
    return {.length = size_, .sparse = true};
  }
  return is_small() ? finish_small() : finish_large();
}

void DataWriter::discard() {
  if (!is_small()) region_->give_back();
}

Stream DataWriter::finish_small() {
  store_.hasher_.reset();
  store_.hasher_.update(buffer_);
  const ObjectId id = {size_, store_.hasher_.finish()};
  const auto equal = store_.find_equal(id, [&](format::RegionOffset other) {
    std::vector<std::byte> bytes(size_);
    return store_.base_->read(stream_at(other, size_), 0, bytes) == size_ && bytes == buffer_;
  });
  if (equal) return stream_at(*equal, size_);
  const format::RegionOffset offset =
      store_.regions_.region(RegionType::small_data, size_).append(buffer_);
  store_.add(id, offset);
  return stream_at(offset, size_);
}

Stream DataWriter::finish_large() {
  if (is_mostly_hole()) return finish_mostly_hole();
  const ObjectId id = {size_, digest_of_extent()};
  const auto equal =
      store_.find_equal(id, [&](format::RegionOffset other) { return extent_equals(other); });
  if (equal) {
    discard();
    return stream_at(*equal, size_);
  }
  store_.add(id, extent_);
  return stream_at(extent_, size_);
}

Stream DataWriter::finish_mostly_hole() {
  const ObjectId id = {size_, digest_of_blocks()};
  const auto [first, is_new] = store_.mostly_holes_.try_emplace(id, extent_);
  if (is_new) {
    store_.identify(id, extent_);
  } else {
    discard();
  }
  return stream_at(first->second, size_);
}

Digest DataWriter::digest_of_extent() {
  if (in_order_) {
    store_.hasher_.update_zeros(size_ - hashed_);
    return store_.hasher_.finish();
  }
  store_.hasher_.reset();
  std::vector<std::byte> chunk(chunk_size);
  for (std::uint64_t offset = 0; offset < size_; offset += chunk.size()) {
    chunk.resize(std::min<std::uint64_t>(chunk_size, size_ - offset));
    region_->read_at(format::byte_offset(extent_) + offset, chunk);
    store_.hasher_.update(chunk);
  }
  return store_.hasher_.finish();
}

// The digest of the blocks that are not all zeros, and of where they are.
Digest DataWriter::digest_of_blocks() {
  store_.hasher_.reset();
  std::vector<std::byte> block(block_size);
  const std::uint64_t start = format::byte_offset(extent_);
  std::uint64_t offset = 0;
  while (const auto data = region_->next_data(start + offset, start + size_)) {
    offset = (*data - start) / block_size * block_size;
    block.resize(std::min<std::uint64_t>(block_size, size_ - offset));
    region_->read_at(start + offset, block);
    if (!is_zero(block)) {
      store_.hasher_.update(format::bytes_of(offset));
      store_.hasher_.update(block);
    }
    offset += block.size();
  }
  return store_.hasher_.finish();
}

bool DataWriter::extent_equals(format::RegionOffset other) {
  std::vector<std::byte> ours(chunk_size);
  std::vector<std::byte> theirs(chunk_size);
  for (std::uint64_t offset = 0; offset < size_; offset += ours.size()) {
    ours.resize(std::min<std::uint64_t>(chunk_size, size_ - offset));
    theirs.resize(ours.size());
    region_->read_at(format::byte_offset(extent_) + offset, ours);
    store_.base_->read(stream_at(other, size_), offset, theirs);
    if (ours != theirs) return false;
  }
  return true;
}

}  // namespace cim
