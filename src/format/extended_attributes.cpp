// Reading and building lists of extended attributes.
#include "format/extended_attributes.h"

#include <algorithm>

#include <fmt/format.h>

#include "format/bytes.h"
#include "format/layout.h"

namespace cim::format {
namespace {

constexpr std::size_t ea_alignment = 4;

char to_ascii_lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool equal_ignoring_ascii_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return to_ascii_lower(x) == to_ascii_lower(y); });
}

}  // namespace

std::optional<ExtendedAttribute> EaReader::next() {
  if (done_) {
    return std::nullopt;
  }
  const ByteView rest = list_.subspan(offset_);
  const auto header = load<FullEaInformation>(rest, 0, "extended attribute");
  const std::uint32_t next_offset = header.next_entry_offset;
  const std::size_t name_offset = sizeof(header);
  const std::size_t value_offset = name_offset + header.name_length + 1;
  const std::size_t size = value_offset + header.value_length;

  const ByteView entry = slice(rest, 0, size, "extended attribute");
  if (header.name_length == 0 || entry[value_offset - 1] != std::byte{0}) {
    throw Error(Errc::corrupt,
                fmt::format("extended attribute at {} has an empty or unterminated name", offset_));
  }
  if (next_offset != 0 &&
      (next_offset % ea_alignment != 0 || next_offset < size || next_offset >= rest.size())) {
    throw Error(Errc::corrupt,
                fmt::format("extended attribute at {} of {} bytes: the next is at {}", offset_,
                            list_.size(), std::uint64_t{offset_} + next_offset));
  }
  offset_ += next_offset;
  done_ = next_offset == 0;
  const auto* name = reinterpret_cast<const char*>(entry.data() + name_offset);
  return ExtendedAttribute{{name, header.name_length}, entry.subspan(value_offset), header.flags};
}

std::optional<ByteView> find_extended_attribute(ByteView list, std::string_view name) {
  EaReader reader(list);
  while (const auto ea = reader.next()) {
    if (equal_ignoring_ascii_case(ea->name, name)) {
      return ea->value;
    }
  }
  return std::nullopt;
}

void EaBuilder::add(std::string_view name, ByteView value, std::uint8_t flags) {
  if (name.empty()) {
    throw Error(Errc::invalid_argument, "an extended attribute needs a name");
  }
  if (name.size() > max_ea_name_length) {
    throw Error(
        Errc::limit_exceeded,
        fmt::format("name of an extended attribute is longer than {} bytes", max_ea_name_length))
        .with_object(name);
  }
  const std::size_t start = (list_.size() + ea_alignment - 1) / ea_alignment * ea_alignment;
  const std::size_t size = sizeof(FullEaInformation) + name.size() + 1 + value.size();
  if (size > max_ea_list_length || start > max_ea_list_length - size) {
    throw Error(Errc::limit_exceeded,
                fmt::format("extended attributes take more than {} bytes", max_ea_list_length))
        .with_object(name);
  }
  list_.resize(start);
  list_.reserve(start + size);
  if (start > 0) {
    const auto next_offset = static_cast<std::uint32_t>(start - last_);
    std::memcpy(list_.data() + last_ + offsetof(FullEaInformation, next_entry_offset), &next_offset,
                sizeof(next_offset));
  }
  last_ = start;
  append(list_, bytes_of(FullEaInformation{0, flags, static_cast<std::uint8_t>(name.size()),
                                           static_cast<std::uint16_t>(value.size())}));
  append(list_, std::as_bytes(std::span(name)));
  list_.push_back(std::byte{0});
  append(list_, value);
}

}  // namespace cim::format
