// Lists of FILE_FULL_EA_INFORMATION. A reader or builder is for one thread at a time; the function
// may be called from many at once.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include <cim/metadata.h>

namespace cim::format {

inline constexpr std::size_t max_ea_name_length = 254;
inline constexpr std::size_t max_ea_list_length = 65535;

// Stored in front of the name of a Linux xattr.
inline constexpr std::string_view linux_xattr_prefix = "LX.";

struct ExtendedAttribute {
  std::string_view name;
  ByteView value;
  std::uint8_t flags = 0;
};

// Walks a list without copying it:
//
//   EaReader reader(list);
//   while (auto ea = reader.next()) ...
//
// next() throws Error (corrupt) at an entry that does not fit in the list, has an empty or
// unterminated name, or is not aligned. The walk always ends: each entry lies after the one before.
class EaReader {
 public:
  explicit EaReader(ByteView list) : list_(list), done_(list.empty()) {}

  std::optional<ExtendedAttribute> next();

 private:
  ByteView list_;
  std::size_t offset_ = 0;
  bool done_;
};

// The value of the attribute `name`, ignoring ASCII case as Windows does.
std::optional<ByteView> find_extended_attribute(ByteView list, std::string_view name);

// Builds a list.
class EaBuilder {
 public:
  // Throws Error (limit_exceeded), naming the attribute, if the name is over 254 bytes, or the
  // value or the whole list over 65,535. Throws Error (invalid_argument) for an empty name.
  void add(std::string_view name, ByteView value, std::uint8_t flags = 0);

  // The list so far; valid until the next add().
  ByteView list() const noexcept { return list_; }

 private:
  std::vector<std::byte> list_;
  std::size_t last_ = 0;  // where the last entry starts
};

}  // namespace cim::format
