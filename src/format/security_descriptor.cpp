// Checking self-relative security descriptors.
#include "format/security_descriptor.h"

#include <cstring>
#include <optional>

#include "format/layout.h"

namespace cim::format {
namespace {

constexpr std::uint8_t descriptor_revision = 1;
constexpr std::uint8_t sid_revision = 1;
constexpr std::uint8_t max_sub_authorities = 15;
constexpr std::uint8_t min_acl_revision = 2;
constexpr std::uint8_t max_acl_revision = 4;
constexpr std::size_t part_alignment = 4;

// SECURITY_DESCRIPTOR_CONTROL.
constexpr std::uint16_t dacl_present = 0x0004;
constexpr std::uint16_t sacl_present = 0x0010;
constexpr std::uint16_t self_relative = 0x8000;

#pragma pack(push, 1)
struct Descriptor {  // SECURITY_DESCRIPTOR_RELATIVE
  std::uint8_t revision;
  std::uint8_t resource_manager_control;
  std::uint16_t control;
  std::uint32_t owner;  // offsets from its start; 0: none
  std::uint32_t group;
  std::uint32_t sacl;
  std::uint32_t dacl;
};
static_assert(sizeof(Descriptor) == 20);

struct Sid {  // followed by `sub_authority_count` u32
  std::uint8_t revision;
  std::uint8_t sub_authority_count;
  std::uint8_t authority[6];
};
static_assert(sizeof(Sid) == 8);

struct Acl {  // followed by `ace_count` entries, each with an AceHeader
  std::uint8_t revision;
  std::uint8_t reserved;
  std::uint16_t size;  // in bytes, with this header and the entries
  std::uint16_t ace_count;
  std::uint16_t reserved2;
};
static_assert(sizeof(Acl) == 8);

struct AceHeader {
  std::uint8_t type;
  std::uint8_t flags;
  std::uint16_t size;  // in bytes, with this header
};
static_assert(sizeof(AceHeader) == 4);
#pragma pack(pop)

// The T at the start of `bytes`; nothing if there are too few.
template <typename T>
std::optional<T> read(ByteView bytes) noexcept {
  if (bytes.size() < sizeof(T)) {
    return std::nullopt;
  }
  T value;
  std::memcpy(&value, bytes.data(), sizeof(T));
  return value;
}

bool is_valid_sid(ByteView bytes) noexcept {
  const auto sid = read<Sid>(bytes);
  return sid && sid->revision == sid_revision && sid->sub_authority_count <= max_sub_authorities &&
         bytes.size() - sizeof(Sid) >= sid->sub_authority_count * sizeof(std::uint32_t);
}

bool is_valid_acl(ByteView bytes) noexcept {
  const auto acl = read<Acl>(bytes);
  if (!acl || acl->revision < min_acl_revision || acl->revision > max_acl_revision ||
      acl->size < sizeof(Acl) || acl->size > bytes.size()) {
    return false;
  }
  ByteView entries = bytes.subspan(sizeof(Acl), acl->size - sizeof(Acl));
  for (std::uint16_t i = 0; i < acl->ace_count; ++i) {
    const auto ace = read<AceHeader>(entries);
    if (!ace || ace->size < sizeof(AceHeader) || ace->size % part_alignment != 0 ||
        ace->size > entries.size()) {
      return false;
    }
    entries = entries.subspan(ace->size);
  }
  return true;
}

// Whether `offset` is 0 (no such part) or leads to a part of `descriptor` that `is_valid` accepts.
template <typename IsValid>
bool is_valid_part(ByteView descriptor, std::uint32_t offset, IsValid is_valid) noexcept {
  if (offset == 0) {
    return true;
  }
  return offset >= sizeof(Descriptor) && offset % part_alignment == 0 &&
         offset <= descriptor.size() && is_valid(descriptor.subspan(offset));
}

}  // namespace

bool is_valid_security_descriptor(ByteView descriptor) noexcept {
  const auto header = read<Descriptor>(descriptor);
  if (!header || header->revision != descriptor_revision || !(header->control & self_relative)) {
    return false;
  }
  return is_valid_part(descriptor, header->owner, is_valid_sid) &&
         is_valid_part(descriptor, header->group, is_valid_sid) &&
         (!(header->control & sacl_present) ||
          is_valid_part(descriptor, header->sacl, is_valid_acl)) &&
         (!(header->control & dacl_present) ||
          is_valid_part(descriptor, header->dacl, is_valid_acl));
}

}  // namespace cim::format
