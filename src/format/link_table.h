// Link tables: sorted maps from names to values, FileIds in a directory and Streams in an
// alternate stream table.
#pragma once

#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include <cim/error.h>
#include <cim/metadata.h>

#include "format/layout.h"

namespace cim::format {

// A view of a link table read from an image. Its header is checked on construction, each entry
// when it is asked for. Valid as long as the bytes. May be read by many threads at once.
class LinkTable {
 public:
  // An empty table.
  LinkTable() = default;

  // `bytes` may reach past the table's end. `value_size` is 4 (FileId) or 16 (Stream). Throws
  // Error (corrupt) if the header does not fit the bytes.
  LinkTable(ByteView bytes, std::size_t value_size);

  std::uint32_t size() const noexcept { return count_; }

  // The bytes of the whole table.
  std::size_t byte_size() const noexcept { return table_.size(); }

  // Copies the name of entry `index` (< size()) to `out`, which has room for max_name_units.
  // Returns its length in units. Throws Error (corrupt) for a name that is not within the table, is
  // empty or too long, or is one that no file may have: `.`, `..`, or with NUL, `/` or `\`.
  std::size_t name(std::uint32_t index, char16_t* out) const;

  // The value of entry `index`; T has the table's value size.
  template <typename T>
  T value(std::uint32_t index) const {
    T value;
    std::memcpy(&value, values_.data() + std::size_t{index} * sizeof(T), sizeof(T));
    return value;
  }

  // The index of the entry `name` under `upcase`; nothing if there is none. Does not allocate.
  // Throws Error (corrupt) if it meets a name that is not within the table.
  std::optional<std::uint32_t> find(std::u16string_view name,
                                    std::span<const char16_t> upcase) const;

 private:
  // The units of the name of entry `index`. Throws Error (corrupt) if they are not within the
  // table.
  ByteView stored_name(std::uint32_t index) const;

  ByteView table_;
  ByteView values_;
  ByteView name_offsets_;
  std::uint32_t count_ = 0;
};

// The bytes that an entry with a name of `units` takes in a link table, shared with no other entry.
constexpr std::uint64_t link_table_entry_size(std::size_t value_size, std::size_t units) {
  return value_size + sizeof(std::uint32_t) + sizeof(std::uint16_t) + units * sizeof(char16_t);
}

// Checks that no two names of a table share bytes, so that a copy of all names is no larger than
// the table. For one thread at a time.
class NameBudget {
 public:
  NameBudget(const LinkTable& table, std::size_t value_size)
      : value_size_(value_size), unclaimed_(table.byte_size()) {}

  // Counts an entry with a name of `units`. Throws Error (corrupt) if the table is too small for
  // all entries counted.
  void add_entry(std::size_t units) {
    const std::uint64_t size = link_table_entry_size(value_size_, units);
    if (size > unclaimed_) throw Error(Errc::corrupt, "names overlap");
    unclaimed_ -= size;
  }

 private:
  std::size_t value_size_;
  std::uint64_t unclaimed_;
};

// Builds link tables, one after another. For one thread at a time.
class LinkTableBuilder {
 public:
  explicit LinkTableBuilder(std::size_t value_size) : value_size_(value_size) {}

  // `value` has value_size bytes. The caller must add names in order.
  void add(std::u16string_view name, ByteView value);

  std::uint32_t size() const noexcept { return static_cast<std::uint32_t>(name_offsets_.size()); }

  // The finished table, valid until the next call; add() then starts a new one. Throws Error
  // (limit_exceeded) if it is over 4 GiB.
  const std::vector<std::byte>& finish();

 private:
  std::size_t value_size_;
  std::vector<std::byte> values_;
  std::vector<std::uint64_t> name_offsets_;  // from the first name
  std::vector<std::byte> names_;
  std::vector<std::byte> table_;
};

}  // namespace cim::format
