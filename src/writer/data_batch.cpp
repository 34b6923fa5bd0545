#include "writer/data_batch.h"

#include <algorithm>
#include <utility>

#include "image/internals.h"

namespace cim {

void DataBatch::begin_whole(std::size_t size, DataPlacement placement) {
  steps_.push_back(
      {.kind = Step::Kind::whole, .start = used_, .length = size, .placement = placement});
}

std::span<std::byte> DataBatch::begin_write_whole(std::uint64_t offset, std::size_t length) {
  fill_with_zeros(steps_.back(), offset);
  return bytes_at(steps_.back().start + offset, length);
}

void DataBatch::end_write_whole(std::uint64_t offset, std::size_t length) {
  used_ = std::max(used_, steps_.back().start + offset + length);
}

void DataBatch::end_whole(format::Stream& target) {
  Step& step = steps_.back();
  fill_with_zeros(step, step.length);
  step.target = &target;
}

bool DataBatch::take_back_whole() {
  if (used_ > steps_.back().start) return false;
  steps_.pop_back();
  return true;
}

// Brings the stream to at least `length` bytes.
void DataBatch::fill_with_zeros(Step& whole, std::size_t length) {
  const std::size_t end = whole.start + length;
  if (end <= used_) return;
  whole.has_holes = whole.has_holes || end - used_ >= format::page_size;
  std::ranges::fill(bytes_at(used_, end - used_), std::byte{0});
  used_ = end;
}

void DataBatch::begin_large(std::uint64_t size) {
  steps_.push_back({.kind = Step::Kind::begin, .position = size});
}

std::span<std::byte> DataBatch::begin_write_large(std::size_t length) {
  return bytes_at(used_, length);
}

void DataBatch::end_write_large(std::uint64_t offset, std::size_t length) {
  steps_.push_back(
      {.kind = Step::Kind::write, .position = offset, .start = used_, .length = length});
  used_ += length;
}

void DataBatch::end_large(format::Stream& target) {
  steps_.push_back({.kind = Step::Kind::end, .target = &target});
}

std::span<std::byte> DataBatch::bytes_at(std::size_t position, std::size_t length) noexcept {
  return {bytes_.get() + position, length};
}

ByteView DataBatch::data_of(const Step& step) const {
  return {bytes_.get() + step.start, step.length};
}

void DataBatch::digest() {
  if (!digests_.empty()) return;
  std::vector<ByteView> whole;
  for (const Step& step : steps_) {
    if (step.kind == Step::Kind::whole) whole.push_back(data_of(step));
  }
  std::vector<Digest> digests(whole.size());
  digest_objects(whole, digests);
  digests_ = std::move(digests);
}

void DataBatch::store(DataStore& store, std::optional<DataWriter>& large) {
  digest();
  auto digest = digests_.begin();
  for (Step& step : steps_) {
    switch (step.kind) {
      case Step::Kind::whole:
        step.result = store.put(data_of(step), *digest++, step.placement, step.has_holes);
        break;
      case Step::Kind::begin:
        large.emplace(store, step.position);
        break;
      case Step::Kind::write:
        large->write_at(step.position, data_of(step));
        break;
      case Step::Kind::end:
        step.result = large->finish();
        large.reset();
        break;
    }
  }
}

void DataBatch::finish() {
  for (const Step& step : steps_) {
    if (step.target != nullptr) *step.target = encode_stream(step.result);
  }
  steps_.clear();
  used_ = 0;
  digests_.clear();
}

}  // namespace cim
