// Reading self-relative security descriptors.
#include "format/security_descriptor.h"

#include <fmt/format.h>

#include "format/bytes.h"
#include "format/sid.h"

namespace cim::format {
namespace {

constexpr std::uint8_t min_acl_revision = 2;
constexpr std::uint8_t max_acl_revision = 4;
constexpr std::size_t part_alignment = 4;

// What begins at `offset` of `descriptor`; nothing if that is 0.
std::optional<ByteView> part_at(ByteView descriptor, std::uint32_t offset, const char* what) {
  if (offset == 0) return std::nullopt;
  if (offset < sizeof(DescriptorHeader) || offset % part_alignment != 0) {
    throw Error(Errc::corrupt, fmt::format("{} of a security descriptor is at {}", what, offset));
  }
  slice(descriptor, offset, 0, what);
  return descriptor.subspan(offset);
}

void check_acl(const std::optional<ByteView>& acl) {
  if (!acl) return;
  AceReader entries(*acl);
  while (entries.next()) {
  }
}

}  // namespace

AceReader::AceReader(ByteView acl) {
  const auto header = load<AclHeader>(acl, 0, "access control list");
  if (header.revision < min_acl_revision || header.revision > max_acl_revision ||
      header.size < sizeof(header)) {
    const unsigned revision = header.revision;
    const unsigned size = header.size;
    throw Error(Errc::corrupt,
                fmt::format("access control list has revision {} and {} bytes", revision, size));
  }
  entries_ = slice(acl, 0, header.size, "access control list").subspan(sizeof(header));
  left_ = header.ace_count;
}

std::optional<ByteView> AceReader::next() {
  if (left_ == 0) return std::nullopt;
  --left_;
  const auto header = load<AceHeader>(entries_, 0, "access control entry");
  const std::size_t size = header.size;
  if (size < sizeof(header) || size % part_alignment != 0) {
    throw Error(Errc::corrupt, fmt::format("access control entry has {} bytes", size));
  }
  const ByteView entry = slice(entries_, 0, size, "access control entry");
  entries_ = entries_.subspan(size);
  return entry;
}

SecurityDescriptor decode_security_descriptor(ByteView descriptor) {
  const auto header = load<DescriptorHeader>(descriptor, 0, "security descriptor");
  if (header.revision != descriptor_revision) {
    const unsigned revision = header.revision;
    throw Error(Errc::corrupt, fmt::format("security descriptor has revision {}", revision));
  }
  if (!(header.control & descriptor_control::self_relative)) {
    throw Error(Errc::corrupt, "security descriptor is not self-relative");
  }
  SecurityDescriptor parts;
  parts.control = header.control;
  parts.owner = part_at(descriptor, header.owner, "owner");
  parts.group = part_at(descriptor, header.group, "group");
  if (header.control & descriptor_control::sacl_present) {
    parts.sacl = part_at(descriptor, header.sacl, "SACL");
  }
  if (header.control & descriptor_control::dacl_present) {
    parts.dacl = part_at(descriptor, header.dacl, "DACL");
  }
  return parts;
}

bool is_valid_security_descriptor(ByteView descriptor) {
  try {
    const SecurityDescriptor parts = decode_security_descriptor(descriptor);
    if (parts.owner) leading_sid(*parts.owner);
    if (parts.group) leading_sid(*parts.group);
    check_acl(parts.sacl);
    check_acl(parts.dacl);
  } catch (const Error&) {
    return false;
  }
  return true;
}

}  // namespace cim::format
