// UTF-16: which code units are surrogates, and what pairs of them stand for.
#pragma once

namespace cim::format {

constexpr bool is_surrogate(char32_t c) { return c >= 0xD800 && c < 0xE000; }
constexpr bool is_high_surrogate(char32_t c) { return c >= 0xD800 && c < 0xDC00; }
constexpr bool is_low_surrogate(char32_t c) { return c >= 0xDC00 && c < 0xE000; }

// The character over U+FFFF that `high` and `low` stand for.
constexpr char32_t from_surrogates(char16_t high, char16_t low) {
  return 0x10000 + ((high & 0x3FFU) << 10 | (low & 0x3FFU));
}

}  // namespace cim::format
