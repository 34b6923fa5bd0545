// UTF-8, and WTF-8, which is UTF-8 with lone surrogates.
#pragma once

#include <cstddef>
#include <string_view>

#include "format/utf16.h"

namespace cim::format {

// A character at the start of a text, and the bytes that it takes. A length of 0: no valid one.
struct Utf8Character {
  char32_t code_point = 0;
  std::size_t length = 0;
};

// What the first byte of a character says.
struct Utf8Lead {
  std::size_t length = 0;  // of the character, in bytes; 0: no such character
  char32_t bits = 0;       // the highest of the code point
  char32_t smallest = 0;   // code point that needs so many bytes; less is an overlong form
};

constexpr Utf8Lead decode_utf8_lead(char lead) {
  const auto byte = static_cast<unsigned char>(lead);
  if (byte < 0x80) return {1, byte, 0};
  if ((byte & 0xE0) == 0xC0) return {2, byte & 0x1FU, 0x80};
  if ((byte & 0xF0) == 0xE0) return {3, byte & 0x0FU, 0x800};
  if ((byte & 0xF8) == 0xF0) return {4, byte & 0x07U, 0x10000};
  return {};
}

// Whether `byte` is one after the first of a character.
constexpr bool is_utf8_continuation(char byte) { return (byte & 0xC0) == 0x80; }

// The character of WTF-8 that `text` starts with, which must not be empty. Surrogates that make a
// pair are two characters.
constexpr Utf8Character decode_wtf8(std::string_view text) {
  const Utf8Lead lead = decode_utf8_lead(text[0]);
  if (lead.length == 0 || lead.length > text.size()) return {};
  char32_t code_point = lead.bits;
  for (const char byte : text.substr(1, lead.length - 1)) {
    if (!is_utf8_continuation(byte)) return {};
    code_point = code_point << 6 | (byte & 0x3FU);
  }
  if (code_point < lead.smallest || code_point > 0x10FFFF) return {};
  return {code_point, lead.length};
}

// The character of UTF-8 that `text` starts with, which must not be empty.
constexpr Utf8Character decode_utf8(std::string_view text) {
  const Utf8Character character = decode_wtf8(text);
  return is_surrogate(character.code_point) ? Utf8Character{} : character;
}

constexpr bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t length = decode_utf8(text).length;
    if (length == 0) return false;
    text.remove_prefix(length);
  }
  return true;
}

// The length of as many whole characters of `text` as fit in `size` bytes.
constexpr std::size_t utf8_prefix(std::string_view text, std::size_t size) {
  if (text.size() <= size) return text.size();
  while (size > 0 && is_utf8_continuation(text[size])) --size;
  return size;
}

// The most that encode_utf8() writes.
inline constexpr std::size_t max_utf8_length = 4;

// Writes the UTF-8 form of `c`, or the WTF-8 form of a surrogate. Returns the end of what it wrote.
constexpr char* encode_utf8(char32_t c, char* out) {
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

}  // namespace cim::format
