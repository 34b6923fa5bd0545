// The manifest of an MSIX package.
#include "transfer/msix_manifest.h"

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>

#include <cim/error.h>
#include <fmt/format.h>

#include "format/utf8.h"
#include "transfer/sha256.h"
#include "transfer/xml_elements.h"

namespace cim::transfer {
namespace {

constexpr std::size_t longest_part = 50;  // of a full name

// A part of a full name becomes a part of the name of a directory.
std::string checked_part(std::string value, std::string_view attribute) {
  const bool is_allowed = std::ranges::all_of(value, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-';
  });
  if (is_allowed && value.size() <= longest_part) return value;
  throw Error(Errc::corrupt,
              fmt::format("has the {} '{}', which Windows does not allow", attribute, value));
}

std::u16string to_utf16(std::string_view text) {
  std::u16string units;
  while (!text.empty()) {
    const format::Utf8Character character = format::decode_wtf8(text);
    if (character.length == 0) throw Error(Errc::corrupt, "has a publisher that is not UTF-8");
    char16_t buffer[2];
    units.append(buffer, format::encode_utf16(character.code_point, buffer));
    text.remove_prefix(character.length);
  }
  return units;
}

std::string full_name(const XmlElement& identity) {
  const auto required = [&](std::string_view name) {
    std::string value = checked_part(identity.required_attribute(name), name);
    if (value.empty()) throw Error(Errc::corrupt, fmt::format("has an empty {}", name));
    return value;
  };
  const auto optional = [&](std::string_view name, const char* otherwise) {
    return checked_part(identity.attribute(name).value_or(otherwise), name);
  };
  return fmt::format("{}_{}_{}_{}_{}", required("Name"), required("Version"),
                     optional("ProcessorArchitecture", "neutral"), optional("ResourceId", ""),
                     msix_publisher_id(identity.required_attribute("Publisher")));
}

}  // namespace

std::string msix_full_name(std::string_view xml) {
  std::optional<std::string> name;
  visit_xml_elements(xml, [&](const XmlElement& element) {
    if (element.path() == "Package/Identity" && !name) name = full_name(element);
  });
  if (!name) throw Error(Errc::corrupt, "does not name a package");
  return *name;
}

// The first 64 bits of the SHA-256 of the name in UTF-16, and a zero, five bits a character.
std::string msix_publisher_id(std::string_view publisher) {
  constexpr std::string_view digits = "0123456789abcdefghjkmnpqrstvwxyz";
  constexpr int bits_per_digit = 5;
  constexpr int digit_count = 13;
  const std::u16string units = to_utf16(publisher);
  const Sha256 digest = sha256(std::as_bytes(std::span(units)));
  std::string id;
  for (int digit = 0; digit < digit_count; ++digit) {
    unsigned value = 0;
    for (int bit = digit * bits_per_digit; bit < (digit + 1) * bits_per_digit; ++bit) {
      const unsigned next =
          bit < 64 ? std::to_integer<unsigned>(digest[bit / 8]) >> (7 - bit % 8) & 1U : 0U;
      value = value << 1 | next;
    }
    id += digits[value];
  }
  return id;
}

}  // namespace cim::transfer
