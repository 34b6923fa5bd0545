#include "writer/data_batch.h"

#include <algorithm>
#include <utility>

#include "format/bytes.h"
#include "image/internals.h"

namespace cim {

void DataBatch::begin_whole(std::size_t size, DataPlacement placement) {
  steps_.push_back(
      {.kind = Step::Kind::whole, .start = bytes_.size(), .length = size, .placement = placement});
}

void DataBatch::write_whole(std::uint64_t offset, ByteView data) {
  Step& step = steps_.back();
  fill_with_zeros(step, offset);
  const std::size_t position = step.start + offset;
  const ByteView again = data.first(std::min(data.size(), bytes_.size() - position));
  std::ranges::copy(again, bytes_.begin() + static_cast<std::ptrdiff_t>(position));
  format::append(bytes_, data.subspan(again.size()));
}

void DataBatch::end_whole(format::Stream& target) {
  Step& step = steps_.back();
  fill_with_zeros(step, step.length);
  step.target = &target;
}

bool DataBatch::take_back_whole() {
  if (bytes_.size() > steps_.back().start) return false;
  steps_.pop_back();
  return true;
}

// Brings the stream to at least `length` bytes.
void DataBatch::fill_with_zeros(Step& whole, std::size_t length) {
  const std::size_t end = whole.start + length;
  if (end <= bytes_.size()) return;
  whole.has_holes = whole.has_holes || end - bytes_.size() >= format::page_size;
  bytes_.resize(end);
}

void DataBatch::begin_large(std::uint64_t size) {
  steps_.push_back({.kind = Step::Kind::begin, .position = size});
}

void DataBatch::write_large(std::uint64_t offset, ByteView data) {
  steps_.push_back({.kind = Step::Kind::write,
                    .position = offset,
                    .start = bytes_.size(),
                    .length = data.size()});
  format::append(bytes_, data);
}

void DataBatch::end_large(format::Stream& target) {
  steps_.push_back({.kind = Step::Kind::end, .target = &target});
}

ByteView DataBatch::data_of(const Step& step) const {
  return ByteView(bytes_).subspan(step.start, step.length);
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
  bytes_.clear();
  digests_.clear();
}

}  // namespace cim
