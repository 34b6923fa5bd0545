// Which extended attributes the files of an image may have.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <cim/metadata.h>

namespace cim {

// The names of all extended attributes, as a writer records them, so that a reader can tell what no
// file has without asking every file. There may be some that no file has any longer. For one thread
// at a time while it changes.
class AttributeNames {
 public:
  static constexpr std::size_t max_recorded = 64;

  // Adds the names in a list of FILE_FULL_EA_INFORMATION. Throws Error (corrupt).
  void add(ByteView ea_list);

  bool contains(std::string_view name) const { return names_.contains(name); }

  // How they are recorded: u16 number of names, then each, with a byte of its length in front.
  // Empty if there are over max_recorded.
  std::vector<std::byte> encode() const;

  // The reverse; nothing if `bytes` do not start with what encode() makes.
  static std::optional<AttributeNames> decode(ByteView bytes);

  // The most that encode() makes.
  static constexpr std::size_t max_size = 2 + max_recorded * 256;

 private:
  std::set<std::string, std::less<>> names_;  // at most max_recorded + 1
};

}  // namespace cim
