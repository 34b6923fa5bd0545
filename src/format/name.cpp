// Names of files between Linux (bytes) and images (UTF-16). See <cim/name.h> for the mapping.
#include <algorithm>
#include <array>
#include <cstdint>

#include <cim/error.h>
#include <cim/name.h>
#include <fmt/format.h>

#include "format/utf16.h"

namespace cim {
namespace {

using format::from_surrogates;
using format::is_high_surrogate;
using format::is_low_surrogate;
using format::is_surrogate;

constexpr char16_t forbidden_base = 0xF000;  // + a byte that Windows forbids in names
constexpr char16_t raw_byte_base = 0xDC00;   // + a byte that is not part of valid UTF-8

constexpr bool is_forbidden_on_windows(unsigned byte) {
  constexpr std::string_view punctuation = "\"*:<>?\\|";
  return (byte >= 1 && byte < 0x20) ||
         (byte < 0x80 && punctuation.find(static_cast<char>(byte)) != std::string_view::npos);
}

// The unit of each ASCII character: the one lookup that most of a name takes.
constexpr auto ascii_units = [] {
  std::array<char16_t, 0x80> units{};
  for (unsigned byte = 0; byte < units.size(); ++byte) {
    units[byte] =
        static_cast<char16_t>(is_forbidden_on_windows(byte) ? forbidden_base + byte : byte);
  }
  return units;
}();

constexpr bool is_raw_byte(char32_t c) {
  return c >= raw_byte_base + 0x80 && c <= raw_byte_base + 0xFF;
}

constexpr bool stands_for_forbidden_byte(char32_t c) {
  return c >= forbidden_base && c < forbidden_base + 0x80 &&
         is_forbidden_on_windows(c - forbidden_base);
}

// What the first byte of a multibyte character says.
struct Utf8Lead {
  std::size_t length = 0;  // of the character, in bytes; 0: no such character
  char32_t bits = 0;       // the highest of the code point
  char32_t smallest = 0;   // code point that needs so many bytes; less is an overlong form
};

constexpr Utf8Lead decode_lead(std::uint8_t byte) {
  if ((byte & 0xE0) == 0xC0) {
    return {2, byte & 0x1FU, 0x80};
  }
  if ((byte & 0xF0) == 0xE0) {
    return {3, byte & 0x0FU, 0x800};
  }
  if ((byte & 0xF8) == 0xF0) {
    return {4, byte & 0x07U, 0x10000};
  }
  return {};
}

// A character of UTF-8 text and the bytes that it takes. A length of 0: no valid character.
struct Utf8Character {
  char32_t code_point = 0;
  std::size_t length = 0;
};

// Decodes the character at the start of `text`, which begins with a byte over 0x7F.
Utf8Character decode_multibyte(std::string_view text) {
  const Utf8Lead lead = decode_lead(static_cast<std::uint8_t>(text[0]));
  if (lead.length == 0 || lead.length > text.size()) {
    return {};
  }
  char32_t code_point = lead.bits;
  for (const char c : text.substr(1, lead.length - 1)) {
    const auto byte = static_cast<std::uint8_t>(c);
    if ((byte & 0xC0) != 0x80) {
      return {};
    }
    code_point = code_point << 6 | (byte & 0x3FU);
  }
  if (code_point < lead.smallest || code_point > 0x10FFFF || is_surrogate(code_point)) {
    return {};
  }
  return {code_point, lead.length};
}

// Writes the UTF-8 form of `c`, which may be a lone surrogate. Returns the end of what it wrote.
char* encode_utf8(char32_t c, char* out) {
  const auto put = [&](char32_t byte) { *out++ = static_cast<char>(byte); };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
  return out;
}

// Appends the image name of the Linux name `name` to `path`.
void append_image_name(std::string_view name, std::u16string& path) {
  char16_t units[max_name_units];
  const std::size_t size = linux_to_image_name(name, units, max_name_units);
  if (size > max_name_units) {
    throw Error(Errc::name_too_long,
                fmt::format("{}: name is longer than {} characters", name, max_name_units));
  }
  path.append(units, size);
}

}  // namespace

std::size_t linux_to_image_name(std::string_view name, char16_t* out,
                                std::size_t capacity) noexcept {
  std::size_t size = 0;
  std::size_t position = 0;
  while (position < name.size()) {
    if (size == capacity) {
      return capacity + 1;
    }
    const auto byte = static_cast<std::uint8_t>(name[position]);
    if (byte < 0x80) {
      out[size++] = ascii_units[byte];
      ++position;
      continue;
    }
    const auto [c, length] = decode_multibyte(name.substr(position));
    if (length == 0 || stands_for_forbidden_byte(c)) {
      // Byte by byte: what follows the first byte of such a character is not valid on its own.
      out[size++] = static_cast<char16_t>(raw_byte_base + byte);
      ++position;
      continue;
    }
    position += length;
    if (c < 0x10000) {
      out[size++] = static_cast<char16_t>(c);
      continue;
    }
    if (capacity - size < 2) {
      return capacity + 1;
    }
    out[size++] = static_cast<char16_t>(0xD800 + ((c - 0x10000) >> 10));
    out[size++] = static_cast<char16_t>(0xDC00 + (c & 0x3FF));
  }
  return size;
}

std::size_t image_to_linux_name(std::u16string_view name, char* out) noexcept {
  char* const start = out;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const char32_t c = name[i];
    if (c < 0x80) {
      *out++ = static_cast<char>(c);
    } else if (is_high_surrogate(c) && i + 1 < name.size() && is_low_surrogate(name[i + 1])) {
      ++i;
      out = encode_utf8(from_surrogates(name[i - 1], name[i]), out);
    } else if (is_raw_byte(c)) {
      *out++ = static_cast<char>(c - raw_byte_base);
    } else if (stands_for_forbidden_byte(c)) {
      *out++ = static_cast<char>(c - forbidden_base);
    } else {
      out = encode_utf8(c, out);
    }
  }
  return static_cast<std::size_t>(out - start);
}

std::u16string linux_to_image_name(std::string_view name) {
  std::u16string image_name(name.size(), u'\0');
  image_name.resize(linux_to_image_name(name, image_name.data(), image_name.size()));
  return image_name;
}

std::string image_to_linux_name(std::u16string_view name) {
  std::string linux_name(3 * name.size(), '\0');
  linux_name.resize(image_to_linux_name(name, linux_name.data()));
  return linux_name;
}

std::u16string linux_to_image_path(std::string_view path) {
  if (const std::size_t nul = path.find('\0'); nul != std::string_view::npos) {
    throw Error(Errc::invalid_argument,
                fmt::format("{}: path goes on after a NUL", path.substr(0, nul)));
  }
  std::u16string image_path;
  for (std::size_t start = 0; start < path.size();) {
    const std::size_t end = std::min(path.find('/', start), path.size());
    const std::string_view name = path.substr(start, end - start);
    start = end + 1;
    if (name.empty() || name == ".") {
      continue;
    }
    if (name == "..") {
      throw Error(Errc::invalid_argument,
                  fmt::format("{}: a path inside an image cannot have '..'", path));
    }
    if (!image_path.empty()) {
      image_path += u'\\';
    }
    append_image_name(name, image_path);
  }
  if (image_path.size() > max_path_units) {
    throw Error(Errc::name_too_long, fmt::format("{}...: path is longer than {} characters",
                                                 path.substr(0, max_name_units), max_path_units));
  }
  return image_path;
}

std::string image_to_linux_path(std::u16string_view path) {
  std::string linux_path;
  for (std::size_t start = 0; start < path.size();) {
    const std::size_t end = std::min(path.find(u'\\', start), path.size());
    if (end > start) {
      if (!linux_path.empty()) {
        linux_path += '/';
      }
      linux_path += image_to_linux_name(path.substr(start, end - start));
    }
    start = end + 1;
  }
  return linux_path;
}

}  // namespace cim
