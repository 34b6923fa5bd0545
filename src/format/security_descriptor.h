// Self-relative security descriptors: what they consist of. May be called from many threads at
// once.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include <cim/metadata.h>

namespace cim::format {

// SECURITY_DESCRIPTOR_CONTROL.
namespace descriptor_control {
inline constexpr std::uint16_t dacl_present = 0x0004;
inline constexpr std::uint16_t sacl_present = 0x0010;
inline constexpr std::uint16_t dacl_auto_inherit_required = 0x0100;
inline constexpr std::uint16_t sacl_auto_inherit_required = 0x0200;
inline constexpr std::uint16_t dacl_auto_inherited = 0x0400;
inline constexpr std::uint16_t sacl_auto_inherited = 0x0800;
inline constexpr std::uint16_t dacl_protected = 0x1000;
inline constexpr std::uint16_t sacl_protected = 0x2000;
inline constexpr std::uint16_t self_relative = 0x8000;
}  // namespace descriptor_control

inline constexpr std::uint8_t descriptor_revision = 1;
inline constexpr std::uint8_t sid_revision = 1;
inline constexpr std::uint8_t max_sub_authorities = 15;
inline constexpr std::uint8_t acl_revision = 2;
inline constexpr std::uint8_t acl_revision_with_objects = 4;

#pragma pack(push, 1)
struct DescriptorHeader {  // SECURITY_DESCRIPTOR_RELATIVE
  std::uint8_t revision;
  std::uint8_t resource_manager_control;
  std::uint16_t control;
  std::uint32_t owner;  // offsets from its start; 0: none
  std::uint32_t group;
  std::uint32_t sacl;
  std::uint32_t dacl;
};
static_assert(sizeof(DescriptorHeader) == 20);

struct SidHeader {  // followed by `sub_authority_count` u32
  std::uint8_t revision;
  std::uint8_t sub_authority_count;
  std::uint8_t authority[6];  // big-endian
};
static_assert(sizeof(SidHeader) == 8);

struct AclHeader {  // followed by `ace_count` entries, each with an AceHeader
  std::uint8_t revision;
  std::uint8_t reserved;
  std::uint16_t size;  // in bytes, with this header and the entries
  std::uint16_t ace_count;
  std::uint16_t reserved2;
};
static_assert(sizeof(AclHeader) == 8);

struct AceHeader {
  std::uint8_t type;
  std::uint8_t flags;
  std::uint16_t size;  // in bytes, with this header
};
static_assert(sizeof(AceHeader) == 4);
#pragma pack(pop)

// Reads the entries of an access control list.
class AceReader {
 public:
  // `acl` starts with the list, and must outlive the reader. Throws Error (corrupt) if it is not
  // whole or its revision is not known.
  explicit AceReader(ByteView acl);

  // The next entry, with its header; nothing at the end. Throws Error (corrupt).
  std::optional<ByteView> next();

 private:
  ByteView entries_;
  std::uint16_t left_;
};

// The parts of a descriptor: views into it, each up to its end.
struct SecurityDescriptor {
  std::uint16_t control = 0;
  std::optional<ByteView> owner;  // starts with a SID
  std::optional<ByteView> group;
  std::optional<ByteView> sacl;  // starts with an ACL; none if there is none, or a NULL one
  std::optional<ByteView> dacl;
};

// The parts of the self-relative SECURITY_DESCRIPTOR `descriptor`. Throws Error (corrupt) if it is
// not one of revision 1 or if a part begins outside it; the parts themselves are not checked.
SecurityDescriptor decode_security_descriptor(ByteView descriptor);

// Whether `descriptor` is a well-formed self-relative SECURITY_DESCRIPTOR: revision 1, owner,
// group, SACL and DACL within it and of the size that they claim.
bool is_valid_security_descriptor(ByteView descriptor);

// A descriptor without owner and group, whose NULL DACL lets everybody do everything.
inline constexpr std::array<std::uint8_t, 20> open_security_descriptor = {0x01, 0x00, 0x04, 0x80};

}  // namespace cim::format
