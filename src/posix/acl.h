// POSIX access control lists: as the extended attribute in which the kernel keeps them, and as
// text. May be called from many threads at once.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cim::posix {

inline constexpr std::string_view access_acl_xattr = "system.posix_acl_access";
inline constexpr std::string_view default_acl_xattr = "system.posix_acl_default";

// One entry. Entries are ordered as the kernel wants them.
struct AclEntry {
  std::uint16_t tag = 0;          // ACL_USER_OBJ etc. of <linux/posix_acl.h>
  std::uint32_t id = 0;           // the user or group of ACL_USER and ACL_GROUP
  std::uint16_t permissions = 0;  // ACL_READ etc.

  friend auto operator<=>(const AclEntry&, const AclEntry&) = default;
};

// The value of the extended attribute that holds `entries`, which may be in any order.
std::string encode_acl(std::vector<AclEntry> entries);

// The entries in `value`; nothing if it is malformed.
std::optional<std::vector<AclEntry>> decode_acl(std::string_view value);

// `entries` in the form that acl_from_text(3) reads, with ids as numbers: `user::rw-,group::r--`.
std::string acl_text(const std::vector<AclEntry>& entries);

}  // namespace cim::posix
