#include "writer/executable_expander.h"

#include <algorithm>
#include <array>
#include <utility>

#include <unistd.h>

#include "format/bytes.h"
#include "image/internals.h"

namespace cim {

void ExecutableExpander::begin(std::uint64_t size, bool expand) {
  size_ = size;
  decided_ = !expand;
  head_.clear();
  layout_.reset();
  if (decided_) queue_.begin(size);
}

std::span<std::byte> ExecutableExpander::begin_write(std::uint64_t offset, std::uint64_t length) {
  writes_head_ = !decided_ && offset == head_.size();
  if (writes_head_) {
    head_.resize(offset + std::min<std::uint64_t>(length, format::page_size));
    return std::span(head_).subspan(offset);
  }
  if (!decided_) pass_on_head();
  const format::PePart place = place_of(offset, length);
  return queue_.begin_write(place.position, place.length);
}

void ExecutableExpander::end_write(std::uint64_t offset, std::size_t length) {
  if (!writes_head_) return queue_.end_write(place_of(offset, length).position, length);
  head_.resize(offset + length);
  if (!needs_more()) pass_on_head();
}

// The sections of a stored executable have moved, so it cannot share blocks with its file.
bool ExecutableExpander::share(int fd) {
  if (!decided_) {
    std::array<std::byte, format::page_size> part;
    ssize_t read = 1;
    while (needs_more() && read > 0) {
      read = pread(fd, part.data(), part.size(), static_cast<off_t>(head_.size()));
      if (read > 0) format::append(head_, std::span(part).first(static_cast<std::size_t>(read)));
    }
    decide();
    head_.clear();
  }
  return !layout_ && queue_.share(fd);
}

void ExecutableExpander::end(format::Stream& target) {
  if (!decided_) pass_on_head();
  queue_.end(target);
  if (layout_) executables_.push_back({&target, size_, std::move(*layout_)});
}

// Whether more of the stream must be seen to know whether it is an executable.
bool ExecutableExpander::needs_more() const {
  const auto wanted = format::pe_head_length(head_);
  return wanted && *wanted > head_.size();
}

void ExecutableExpander::decide() {
  decided_ = true;
  layout_ = format::pe_layout(head_, size_);
  if (layout_) {
    queue_.begin(layout_->stored_length, DataPlacement::pages);
  } else {
    queue_.begin(size_);
  }
}

void ExecutableExpander::pass_on_head() {
  decide();
  for (ByteView rest = head_; !rest.empty();) {
    const std::uint64_t offset = head_.size() - rest.size();
    const format::PePart place = place_of(offset, rest.size());
    const std::span<std::byte> room = queue_.begin_write(place.position, place.length);
    std::ranges::copy(rest.first(room.size()), room.begin());
    queue_.end_write(place.position, room.size());
    rest = rest.subspan(room.size());
  }
}

// Where the queue gets the stream's bytes from `offset` on; fewer than `length` if those after them
// belong elsewhere.
format::PePart ExecutableExpander::place_of(std::uint64_t offset, std::uint64_t length) const {
  if (!layout_) return {offset, length};
  return format::find_pe_part(std::as_bytes(std::span(layout_->mappings)), offset, length);
}

void ExecutableExpander::forget(const format::Stream& target) {
  std::erase_if(executables_,
                [&](const Executable& executable) { return executable.record == &target; });
}

void ExecutableExpander::write_objects(MetadataStore& store) {
  for (const Executable& executable : executables_) {
    const format::PeLayout& layout = executable.layout;
    const format::PeImage header = {
        .data = executable.record->data,
        .data_length = layout.stored_length,
        .image_length = layout.image_length,
        .mapping_count = static_cast<std::uint16_t>(layout.mappings.size()),
        .flags = format::pe_image_valid,
    };
    std::vector<std::byte> object;
    format::append(object, format::bytes_of(header));
    format::append(object, std::as_bytes(std::span(layout.mappings)));
    *executable.record = encode_stream({.region_offset = store.intern(object),
                                        .length = executable.length,
                                        .type = StreamType::pe_image});
  }
  executables_.clear();
}

}  // namespace cim
