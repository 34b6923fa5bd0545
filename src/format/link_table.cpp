// Searching, checking and building link tables.
#include "format/link_table.h"

#include <compare>
#include <limits>

#include <cim/name.h>
#include <fmt/format.h>

#include "format/bytes.h"
#include "format/upcase.h"

namespace cim::format {
namespace {

using NameOffset = std::uint32_t;  // from the table's start
using NameLength = std::uint16_t;  // in units

bool is_possible_name(std::u16string_view name) {
  return name != u"." && name != u".." &&
         name.find_first_of(std::u16string_view(u"\0/\\", 3)) == std::u16string_view::npos;
}

}  // namespace

LinkTable::LinkTable(ByteView bytes, std::size_t value_size) {
  const auto header = load<LinkTableHeader>(bytes, 0, "link table header");
  const std::uint32_t length = header.length;
  const std::uint32_t count = header.count;
  table_ = slice(bytes, 0, length, "link table");
  const std::uint64_t values_size = std::uint64_t{count} * value_size;
  const std::uint64_t offsets_size = std::uint64_t{count} * sizeof(NameOffset);
  if (sizeof(header) + values_size + offsets_size > length) {
    throw Error(Errc::corrupt,
                fmt::format("link table of {} bytes cannot have {} entries", length, count));
  }
  values_ = table_.subspan(sizeof(header), values_size);
  name_offsets_ = table_.subspan(sizeof(header) + values_size, offsets_size);
  count_ = count;
}

ByteView LinkTable::stored_name(std::uint32_t index) const {
  const auto offset = load<NameOffset>(name_offsets_, std::uint64_t{index} * sizeof(NameOffset),
                                       "link table entry");
  const auto length = load<NameLength>(table_, offset, "link table name");
  return slice(table_, std::uint64_t{offset} + sizeof(length), length * sizeof(char16_t),
               "link table name");
}

std::size_t LinkTable::name(std::uint32_t index, char16_t* out) const {
  const ByteView stored = stored_name(index);
  const std::size_t size = stored.size() / sizeof(char16_t);
  if (size == 0 || size > max_name_units) {
    throw Error(Errc::corrupt,
                fmt::format("link table entry {} has a name of {} characters", index, size));
  }
  std::memcpy(out, stored.data(), stored.size());
  if (!is_possible_name({out, size})) {
    throw Error(Errc::corrupt,
                fmt::format("link table entry {} has a name that no file may have", index));
  }
  return size;
}

std::optional<std::uint32_t> LinkTable::find(std::u16string_view name,
                                             std::span<const char16_t> upcase) const {
  std::uint32_t first = 0;
  std::uint32_t last = count_;
  while (first < last) {
    const std::uint32_t middle = first + (last - first) / 2;
    const auto order = compare_names(name, stored_name(middle), upcase);
    if (std::is_eq(order)) {
      return middle;
    }
    if (std::is_lt(order)) {
      last = middle;
    } else {
      first = middle + 1;
    }
  }
  return std::nullopt;
}

void LinkTableBuilder::add(std::u16string_view name, ByteView value) {
  name_offsets_.push_back(names_.size());
  append(values_, value);
  append(names_, bytes_of(static_cast<NameLength>(name.size())));
  append(names_, std::as_bytes(std::span(name)));
}

const std::vector<std::byte>& LinkTableBuilder::finish() {
  const std::uint64_t names_start =
      sizeof(LinkTableHeader) + name_offsets_.size() * (value_size_ + sizeof(NameOffset));
  const std::uint64_t length = names_start + names_.size();
  if (length > std::numeric_limits<std::uint32_t>::max()) {
    throw Error(Errc::limit_exceeded,
                fmt::format("{} entries with names of {} bytes do not fit in a link table",
                            name_offsets_.size(), names_.size()));
  }
  table_.clear();
  table_.reserve(length);
  append(table_, bytes_of(LinkTableHeader{static_cast<std::uint32_t>(length), size()}));
  append(table_, values_);
  for (const std::uint64_t offset : name_offsets_) {
    append(table_, bytes_of(static_cast<NameOffset>(names_start + offset)));
  }
  append(table_, names_);
  values_.clear();
  name_offsets_.clear();
  names_.clear();
  return table_;
}

}  // namespace cim::format
