// GUIDs: as text, and of content.
#include "format/guid.h"

#include <charconv>
#include <system_error>

#include <fmt/format.h>

namespace cim::format {
namespace {

constexpr std::size_t text_length = 36;  // xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx

// The value of the hexadecimal `digits`; nothing if one of them is not a digit.
template <typename T>
std::optional<T> parse_hex(std::string_view digits) {
  T value = 0;
  const char* end = digits.data() + digits.size();
  const auto [parsed, error] = std::from_chars(digits.data(), end, value, 16);
  if (error != std::errc() || parsed != end) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

std::string to_string(const Guid& guid) {
  // Copied because fmt takes references, which cannot bind to members of a packed structure.
  const std::uint32_t data1 = guid.data1;
  const std::uint16_t data2 = guid.data2;
  const std::uint16_t data3 = guid.data3;
  const auto& d = guid.data4;
  return fmt::format("{:08x}-{:04x}-{:04x}-{:02x}{:02x}-{:02x}{:02x}{:02x}{:02x}{:02x}{:02x}",
                     data1, data2, data3, d[0], d[1], d[2], d[3], d[4], d[5], d[6], d[7]);
}

std::optional<Guid> parse_guid(std::string_view text) {
  if (text.size() != text_length || text[8] != '-' || text[13] != '-' || text[18] != '-' ||
      text[23] != '-') {
    return std::nullopt;
  }
  const auto data1 = parse_hex<std::uint32_t>(text.substr(0, 8));
  const auto data2 = parse_hex<std::uint16_t>(text.substr(9, 4));
  const auto data3 = parse_hex<std::uint16_t>(text.substr(14, 4));
  if (!data1 || !data2 || !data3) {
    return std::nullopt;
  }
  Guid guid{*data1, *data2, *data3, {}};
  std::size_t position = 19;
  for (std::size_t i = 0; i < std::size(guid.data4); ++i) {
    if (i == 2) {
      ++position;  // the last dash
    }
    const auto byte = parse_hex<std::uint8_t>(text.substr(position, 2));
    if (!byte) {
      return std::nullopt;
    }
    guid.data4[i] = *byte;
    position += 2;
  }
  return guid;
}

Guid as_content_guid(Guid guid) noexcept {
  guid.data3 = static_cast<std::uint16_t>((guid.data3 & 0x0FFF) | 0x8000);
  guid.data4[0] = static_cast<std::uint8_t>((guid.data4[0] & 0x3F) | 0x80);
  return guid;
}

bool is_content_guid(const Guid& guid) noexcept {
  return guid.data3 >> 12 == 8 && guid.data4[0] >> 6 == 2;
}

}  // namespace cim::format
