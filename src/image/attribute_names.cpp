#include "image/attribute_names.h"

#include <cim/error.h>

#include "format/bytes.h"
#include "format/extended_attributes.h"

namespace cim {

namespace {

constexpr std::string_view user_prefix = "LX.user.";
static_assert(user_prefix.starts_with(format::linux_xattr_prefix));

}  // namespace

void AttributeNames::add(ByteView ea_list) {
  format::EaReader attributes(ea_list);
  while (const auto attribute = attributes.next()) {
    if (names_.size() > max_recorded) return;
    if (!attribute->name.starts_with(format::linux_xattr_prefix)) continue;
    if (may_include(attribute->name)) continue;
    names_.emplace(attribute->name.starts_with(user_prefix) ? user_prefix : attribute->name);
  }
}

void AttributeNames::add(const AttributeNames& other) {
  for (const std::string& name : other.names_) {
    if (names_.size() > max_recorded) return;
    if (!may_include(name)) names_.insert(name);
  }
}

// Version 2 recorded each name of `user.` by itself.
bool AttributeNames::may_include(std::string_view name) const {
  if (name.starts_with(user_prefix) && names_.contains(user_prefix)) return true;
  return names_.contains(name);
}

std::vector<std::byte> AttributeNames::encode() const {
  std::vector<std::byte> bytes;
  if (names_.size() > max_recorded) return bytes;
  format::append(bytes, format::bytes_of(static_cast<std::uint16_t>(names_.size())));
  for (const std::string& name : names_) {
    bytes.push_back(static_cast<std::byte>(name.size()));
    format::append(bytes, std::as_bytes(std::span(name)));
  }
  return bytes;
}

std::optional<AttributeNames> AttributeNames::decode(ByteView bytes) {
  AttributeNames names;
  try {
    const auto count = format::load<std::uint16_t>(bytes, 0, "number of names");
    if (count > max_recorded) return std::nullopt;
    std::uint64_t offset = sizeof(count);
    for (std::uint16_t i = 0; i < count; ++i) {
      const auto length = format::load<std::uint8_t>(bytes, offset, "length of a name");
      const ByteView name = format::slice(bytes, offset + 1, length, "name");
      names.names_.emplace(reinterpret_cast<const char*>(name.data()), name.size());
      offset += 1 + length;
    }
  } catch (const Error&) {
    return std::nullopt;
  }
  return names;
}

}  // namespace cim
