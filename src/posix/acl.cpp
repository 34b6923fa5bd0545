// POSIX access control lists.
#include "posix/acl.h"

#include <algorithm>
#include <span>

#include <fmt/format.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>

#include "format/bytes.h"

namespace cim::posix {
namespace {

constexpr std::uint16_t all_permissions = ACL_READ | ACL_WRITE | ACL_EXECUTE;

bool names_someone(std::uint16_t tag) { return tag == ACL_USER || tag == ACL_GROUP; }

// Null for a tag that does not exist.
const char* tag_name(std::uint16_t tag) {
  switch (tag) {
    case ACL_USER_OBJ:
    case ACL_USER:
      return "user";
    case ACL_GROUP_OBJ:
    case ACL_GROUP:
      return "group";
    case ACL_MASK:
      return "mask";
    case ACL_OTHER:
      return "other";
    default:
      return nullptr;
  }
}

template <typename T>
void append_bytes(std::string& text, const T& value) {
  const ByteView bytes = format::bytes_of(value);
  text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace

std::string encode_acl(std::vector<AclEntry> entries) {
  std::sort(entries.begin(), entries.end());
  std::string value;
  append_bytes(value, posix_acl_xattr_header{POSIX_ACL_XATTR_VERSION});
  for (const AclEntry& entry : entries) {
    const auto id = names_someone(entry.tag) ? entry.id : static_cast<__u32>(ACL_UNDEFINED_ID);
    append_bytes(value, posix_acl_xattr_entry{entry.tag, entry.permissions, id});
  }
  return value;
}

std::optional<std::vector<AclEntry>> decode_acl(std::string_view value) {
  constexpr std::size_t header_size = sizeof(posix_acl_xattr_header);
  constexpr std::size_t entry_size = sizeof(posix_acl_xattr_entry);
  const ByteView bytes = std::as_bytes(std::span(value));
  if (bytes.size() < header_size || (bytes.size() - header_size) % entry_size != 0) return {};
  const auto header = format::load<posix_acl_xattr_header>(bytes, 0, "ACL");
  if (header.a_version != POSIX_ACL_XATTR_VERSION) return {};

  std::vector<AclEntry> entries;
  for (std::size_t offset = header_size; offset < bytes.size(); offset += entry_size) {
    const auto stored = format::load<posix_acl_xattr_entry>(bytes, offset, "ACL entry");
    if (tag_name(stored.e_tag) == nullptr || stored.e_perm > all_permissions) return {};
    const std::uint32_t id = names_someone(stored.e_tag) ? stored.e_id : 0;
    entries.push_back({.tag = stored.e_tag, .id = id, .permissions = stored.e_perm});
  }
  return entries;
}

std::string acl_text(const std::vector<AclEntry>& entries) {
  std::string text;
  for (const AclEntry& entry : entries) {
    if (!text.empty()) text += ',';
    const std::string id = names_someone(entry.tag) ? std::to_string(entry.id) : std::string();
    text += fmt::format(
        "{}:{}:{}{}{}", tag_name(entry.tag), id, entry.permissions & ACL_READ ? 'r' : '-',
        entry.permissions & ACL_WRITE ? 'w' : '-', entry.permissions & ACL_EXECUTE ? 'x' : '-');
  }
  return text;
}

}  // namespace cim::posix
