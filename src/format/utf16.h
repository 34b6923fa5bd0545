// UTF-16: which code units are surrogates, and what pairs of them stand for.
#pragma once

#include <cstddef>
#include <string_view>

namespace cim::format {

constexpr bool is_surrogate(char32_t c) { return c >= 0xD800 && c < 0xE000; }
constexpr bool is_high_surrogate(char32_t c) { return c >= 0xD800 && c < 0xDC00; }
constexpr bool is_low_surrogate(char32_t c) { return c >= 0xDC00 && c < 0xE000; }

// The character over U+FFFF that `high` and `low` stand for.
constexpr char32_t from_surrogates(char16_t high, char16_t low) {
  return 0x10000 + ((high & 0x3FFU) << 10 | (low & 0x3FFU));
}

// The code units that `c` takes.
constexpr std::size_t units_of(char32_t c) { return c < 0x10000 ? 1 : 2; }

// The character that `text` starts with, which must not be empty: a surrogate if it is a lone one.
constexpr char32_t first_character(std::u16string_view text) {
  const bool pair = text.size() > 1 && is_high_surrogate(text[0]) && is_low_surrogate(text[1]);
  return pair ? from_surrogates(text[0], text[1]) : text[0];
}

// Writes the UTF-16 form of `c`, which takes units_of(c) units. Returns the end of what it wrote.
constexpr char16_t* encode_utf16(char32_t c, char16_t* out) {
  if (c < 0x10000) {
    *out++ = static_cast<char16_t>(c);
    return out;
  }
  *out++ = static_cast<char16_t>(0xD800 + ((c - 0x10000) >> 10));
  *out++ = static_cast<char16_t>(0xDC00 + (c & 0x3FF));
  return out;
}

}  // namespace cim::format
