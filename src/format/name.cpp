// Names of files between Linux (bytes) and images (UTF-16). See <cim/name.h> for the mapping.
#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>

#include <cim/error.h>
#include <cim/name.h>
#include <fmt/format.h>

#include "format/utf16.h"
#include "format/utf8.h"

namespace cim {
namespace {

using format::encode_utf16;
using format::encode_utf8;
using format::first_character;
using format::is_high_surrogate;
using format::is_low_surrogate;
using format::is_surrogate;
using format::units_of;

constexpr char16_t forbidden_base = 0xF000;  // + a byte that Windows forbids in names
constexpr char16_t raw_byte_base = 0xDC00;   // + a byte that is not part of valid UTF-8

// U+FDD0 in UTF-8. A Linux name that starts with it may go on with an image name in WTF-8.
constexpr std::string_view escape_mark = "\xEF\xB7\x90";

constexpr bool is_forbidden_on_windows(unsigned byte) {
  constexpr std::string_view punctuation = "\"*:<>?\\|";
  return (byte >= 1 && byte < 0x20) ||
         (byte < 0x80 && punctuation.find(static_cast<char>(byte)) != std::string_view::npos);
}

// The unit for each ASCII character: this one lookup does for most of a name.
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

// linux_to_image_name() by the rules for single bytes and characters, which give every Linux name
// an image name of its own, but do not make every image name.
std::size_t to_image_by_rules(std::string_view name, char16_t* out, std::size_t capacity) {
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
    const auto [c, length] = format::decode_utf8(name.substr(position));
    if (length == 0 || stands_for_forbidden_byte(c)) {
      // Byte by byte: what follows the first byte of such a character is not valid on its own.
      out[size++] = static_cast<char16_t>(raw_byte_base + byte);
      ++position;
      continue;
    }
    if (capacity - size < units_of(c)) {
      return capacity + 1;
    }
    encode_utf16(c, out + size);
    size += units_of(c);
    position += length;
  }
  return size;
}

// The reverse of to_image_by_rules(), for names that it makes. Returns the number of bytes.
std::size_t to_linux_by_rules(std::u16string_view name, char* out) {
  char* const start = out;
  while (!name.empty()) {
    const char32_t c = first_character(name);
    name.remove_prefix(units_of(c));
    if (c < 0x80) {
      *out++ = static_cast<char>(c);
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

std::size_t to_wtf8(std::u16string_view name, char* out) {
  char* const start = out;
  while (!name.empty()) {
    const char32_t c = first_character(name);
    name.remove_prefix(units_of(c));
    out = encode_utf8(c, out);
  }
  return static_cast<std::size_t>(out - start);
}

// An image name on the stack.
struct NameUnits {
  std::array<char16_t, max_name_units> units;  // NOLINT: only the first `size` are ever read
  std::size_t size = 0;

  std::u16string_view view() const { return {units.data(), size}; }
};

// The image name that to_wtf8() turns into `text`; nothing if there is none, or if it is too long.
std::optional<NameUnits> from_wtf8(std::string_view text) {
  NameUnits name;
  while (!text.empty()) {
    const auto [c, length] = format::decode_wtf8(text);
    const bool ends_pair =
        is_low_surrogate(c) && name.size > 0 && is_high_surrogate(name.units[name.size - 1]);
    if (length == 0 || ends_pair || c == U'\\' || max_name_units - name.size < units_of(c)) {
      return std::nullopt;
    }
    encode_utf16(c, name.units.data() + name.size);
    name.size += units_of(c);
    text.remove_prefix(length);
  }
  return name;
}

// The Linux name of `name` if all its characters stay the same, as they do in nearly all names.
// Returns the number of bytes; nothing if a character changes.
std::optional<std::size_t> to_linux_unchanged(std::u16string_view name, char* out) {
  char* const start = out;
  for (std::size_t i = 0; i < name.size();) {
    if (name[i] < ascii_units.size()) {
      if (ascii_units[name[i]] != name[i]) return std::nullopt;
      *out++ = static_cast<char>(name[i++]);
      continue;
    }
    const char32_t c = first_character(name.substr(i));
    if (is_surrogate(c) || stands_for_forbidden_byte(c)) return std::nullopt;
    out = encode_utf8(c, out);
    i += units_of(c);
  }
  return static_cast<std::size_t>(out - start);
}

// Whether the rules give the Linux name `linux_name` the image name `name`.
bool is_image_name_of(std::u16string_view name, std::string_view linux_name) {
  NameUnits by_rules;
  by_rules.size = to_image_by_rules(linux_name, by_rules.units.data(), max_name_units);
  return by_rules.size <= max_name_units && by_rules.view() == name;
}

// Whether the rules give no Linux name the image name `name`, or only one that is the escaped form
// of another image name. Each round looks at a shorter name, and few names take more than one.
bool needs_escape(std::u16string_view name) {
  if (name.size() > max_name_units) return false;  // nothing has such a name
  std::optional<NameUnits> inner;
  std::array<char, max_name_bytes> bytes;  // NOLINT: only what is written is read
  while (!to_linux_unchanged(name, bytes.data())) {
    const std::string_view linux_name(bytes.data(), to_linux_by_rules(name, bytes.data()));
    if (!is_image_name_of(name, linux_name)) return true;
    if (!linux_name.starts_with(escape_mark)) return false;
    inner = from_wtf8(linux_name.substr(escape_mark.size()));
    if (!inner) return false;
    name = inner->view();
  }
  return false;
}

// The image name whose escaped form is `name`; nothing if there is none.
std::optional<NameUnits> unescape(std::string_view name) {
  if (!name.starts_with(escape_mark)) return std::nullopt;
  const auto image_name = from_wtf8(name.substr(escape_mark.size()));
  return image_name && needs_escape(image_name->view()) ? image_name : std::nullopt;
}

// Appends the image name of the Linux name `name` to `path`.
void append_image_name(std::string_view name, std::u16string& path) {
  char16_t units[max_name_units];
  const std::size_t size = linux_to_image_name(name, units, max_name_units);
  if (size > max_name_units) {
    throw Error(Errc::name_too_long,
                fmt::format("name is longer than {} characters", max_name_units))
        .with_path(name);
  }
  path.append(units, size);
}

}  // namespace

std::size_t linux_to_image_name(std::string_view name, char16_t* out,
                                std::size_t capacity) noexcept {
  const auto escaped = unescape(name);
  if (!escaped) return to_image_by_rules(name, out, capacity);
  if (escaped->size > capacity) return capacity + 1;
  std::ranges::copy(escaped->view(), out);
  return escaped->size;
}

std::size_t image_to_linux_name(std::u16string_view name, char* out) noexcept {
  if (const auto size = to_linux_unchanged(name, out)) return *size;
  if (!needs_escape(name)) return to_linux_by_rules(name, out);
  std::ranges::copy(escape_mark, out);
  return escape_mark.size() + to_wtf8(name, out + escape_mark.size());
}

std::u16string linux_to_image_name(std::string_view name) {
  std::u16string image_name(name.size(), u'\0');
  image_name.resize(linux_to_image_name(name, image_name.data(), image_name.size()));
  return image_name;
}

std::string image_to_linux_name(std::u16string_view name) {
  std::string linux_name(3 * name.size() + escape_mark.size(), '\0');
  linux_name.resize(image_to_linux_name(name, linux_name.data()));
  return linux_name;
}

std::u16string linux_to_image_path(std::string_view path) {
  if (const std::size_t nul = path.find('\0'); nul != std::string_view::npos) {
    throw Error(Errc::invalid_argument, "path goes on after a NUL").with_path(path.substr(0, nul));
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
      throw Error(Errc::invalid_argument, "a path inside an image cannot have '..'")
          .with_path(path);
    }
    if (!image_path.empty()) {
      image_path += u'\\';
    }
    append_image_name(name, image_path);
  }
  if (image_path.size() > max_path_units) {
    throw Error(Errc::name_too_long,
                fmt::format("path is longer than {} characters", max_path_units))
        .with_path(fmt::format("{}...", path.substr(0, max_name_units)));
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
