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

void ExecutableExpander::write_at(std::uint64_t offset, ByteView data) {
  if (!decided_) {
    const std::size_t held_back = head_.size();
    if (offset == held_back && is_still_open(data)) return;
    decide();
    pass_on(0, ByteView(head_).first(held_back));
  }
  pass_on(offset, data);
}

// The sections of a stored executable have moved, so it cannot share blocks with its file.
bool ExecutableExpander::share(int fd) {
  if (!decided_) {
    std::array<std::byte, format::page_size> part;
    ssize_t read = 0;
    do {
      read = pread(fd, part.data(), part.size(), static_cast<off_t>(head_.size()));
    } while (read > 0 && is_still_open(std::span(part).first(static_cast<std::size_t>(read))));
    decide();
    head_.clear();
  }
  return !layout_ && queue_.share(fd);
}

void ExecutableExpander::end(format::Stream& target) {
  if (!decided_) {
    decide();
    pass_on(0, head_);
  }
  queue_.end(target);
  if (layout_) executables_.push_back({&target, size_, std::move(*layout_)});
}

// Appends to the head what it needs of `next`, the bytes after it. Returns whether it needs more.
bool ExecutableExpander::is_still_open(ByteView next) {
  auto wanted = format::pe_head_length(head_);
  while (wanted && *wanted > head_.size()) {
    if (next.empty()) return true;
    const ByteView part = next.first(std::min(next.size(), *wanted - head_.size()));
    format::append(head_, part);
    next = next.subspan(part.size());
    wanted = format::pe_head_length(head_);
  }
  return false;
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

void ExecutableExpander::pass_on(std::uint64_t offset, ByteView data) {
  if (!layout_) return queue_.write_at(offset, data);
  const ByteView mappings = std::as_bytes(std::span(layout_->mappings));
  while (!data.empty()) {
    const format::PePart part = format::find_pe_part(mappings, offset, data.size());
    queue_.write_at(part.position, data.first(part.length));
    offset += part.length;
    data = data.subspan(part.length);
  }
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
