// Which Linux xattrs the files of an image may have.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <cim/metadata.h>

namespace cim {

// The names of the extended attributes that hold Linux xattrs. They tell a reader what no file has,
// without a look at every file: the kernel asks for access control lists, labels and capabilities
// all the time. All names in `user.`, of which there may be very many, count as one. Some names may
// belong to no file any more. For one thread at a time while it changes.
class AttributeNames {
 public:
  static constexpr std::size_t max_recorded = 64;

  // Adds the names in a list of FILE_FULL_EA_INFORMATION. Throws Error (corrupt).
  void add(ByteView ea_list);

  // Adds the names that `other` has.
  void add(const AttributeNames& other);

  // Whether files may have the attribute `name`, which has the prefix of Linux xattrs.
  bool may_include(std::string_view name) const;

  // The names as an image records them: their u16 count, then each name after a byte with its
  // length. Empty if there are over max_recorded.
  std::vector<std::byte> encode() const;

  // The reverse; nothing if `bytes` do not start with an encoding.
  static std::optional<AttributeNames> decode(ByteView bytes);

  // The longest encoding, in bytes.
  static constexpr std::size_t max_size = 2 + max_recorded * 256;

 private:
  std::set<std::string, std::less<>> names_;  // at most max_recorded + 1
};

}  // namespace cim
