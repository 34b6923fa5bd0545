// Taking apart image paths; UTF-16 to host names.
#include "capi/paths.h"

#include <algorithm>

#include <cim/error.h>

namespace cim::capi {

namespace {

constexpr std::u16string_view data_stream_type = u"$DATA";

// A `:` is left to those who know what comes before and after it.
void refuse_forbidden_characters(std::u16string_view path) {
  const auto is_forbidden = [](char16_t unit) {
    return unit < 0x20 || std::u16string_view(u"\"*/<>?|").find(unit) != std::u16string_view::npos;
  };
  if (std::ranges::none_of(path, is_forbidden)) return;
  throw Error(Errc::invalid_argument, "a path has a character that NTFS forbids");
}

std::u16string_view require_text(const char16_t* text) {
  if (text == nullptr || *text == 0) {
    throw Error(Errc::invalid_argument, "a path or name is missing or empty");
  }
  return text;
}

// Names of stream types do not differ by case.
bool is_data_stream_type(std::u16string_view type) {
  return std::equal(type.begin(), type.end(), data_stream_type.begin(), data_stream_type.end(),
                    [](char16_t a, char16_t b) {
                      return a == b || (a >= u'a' && a <= u'z' && a - u'a' + u'A' == b);
                    });
}

// The `name` of `name` or `name:$DATA`.
std::u16string_view parse_stream_name(std::u16string_view text) {
  const auto colon = text.find(u':');
  const auto name = text.substr(0, colon);
  const bool type_is_valid =
      colon == std::u16string_view::npos || is_data_stream_type(text.substr(colon + 1));
  // A `\` means that the `:` was in the name of a directory.
  if (name.empty() || name.find(u'\\') != std::u16string_view::npos || !type_is_valid) {
    throw Error(Errc::invalid_argument, "what follows a ':' is not the name of a data stream");
  }
  return name;
}

bool is_high_surrogate(char32_t c) { return c >= 0xD800 && c <= 0xDBFF; }
bool is_low_surrogate(char32_t c) { return c >= 0xDC00 && c <= 0xDFFF; }
bool is_escaped_byte(char32_t c) { return c >= 0xDC80 && c <= 0xDCFF; }

// Removes the first character from `text` and returns it; a lone surrogate as it is.
char32_t take_character(std::u16string_view& text) {
  const char32_t first = text.front();
  text.remove_prefix(1);
  if (!is_high_surrogate(first) || text.empty() || !is_low_surrogate(text.front())) return first;
  const char32_t second = text.front();
  text.remove_prefix(1);
  return 0x10000 + ((first - 0xD800) << 10) + (second - 0xDC00);
}

void append_byte(std::string& out, char32_t byte) {
  out.push_back(static_cast<char>(static_cast<unsigned char>(byte)));
}

void append_utf8(std::string& out, char32_t c) {
  if (c < 0x80) {
    append_byte(out, c);
    return;
  }
  const int continuation_bytes = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
  const char32_t lead_marks[] = {0, 0xC0, 0xE0, 0xF0};
  append_byte(out, lead_marks[continuation_bytes] | (c >> (6 * continuation_bytes)));
  for (int i = continuation_bytes - 1; i >= 0; --i) {
    append_byte(out, 0x80 | ((c >> (6 * i)) & 0x3F));
  }
}

}  // namespace

ImagePath parse_image_path(const char16_t* path) {
  std::u16string_view text = require_text(path);
  const bool rooted = text.front() == u'\\';
  if (rooted) text.remove_prefix(1);
  refuse_forbidden_characters(text);

  const auto colon = text.find(u':');
  if (colon == std::u16string_view::npos) return {text, {}};
  if (colon == 0 && !rooted) {
    throw Error(Errc::invalid_argument, "a path with a stream names no file");
  }
  return {text.substr(0, colon), parse_stream_name(text.substr(colon + 1))};
}

std::u16string_view parse_file_path(const char16_t* path) {
  const ImagePath parsed = parse_image_path(path);
  if (!parsed.stream.empty()) {
    throw Error(Errc::invalid_argument, "a path names a stream where a file is meant");
  }
  return parsed.file;
}

ImagePath parse_stream_path(const char16_t* path) {
  const ImagePath parsed = parse_image_path(path);
  if (parsed.stream.empty()) {
    throw Error(Errc::invalid_argument, "a path names no stream");
  }
  return parsed;
}

// Not image_to_linux_name(): that also maps U+F000 to U+F0FF, which on the host are themselves.
std::string host_path(const char16_t* text) {
  std::u16string_view rest = require_text(text);
  std::string out;
  while (!rest.empty()) {
    const char32_t c = take_character(rest);
    if (is_escaped_byte(c)) {
      append_byte(out, c & 0xFF);
    } else if (is_high_surrogate(c) || is_low_surrogate(c)) {
      throw Error(Errc::invalid_argument, "a path or name is not valid UTF-16");
    } else {
      append_utf8(out, c);
    }
  }
  return out;
}

std::string image_name(const char16_t* text) {
  std::string name = host_path(text);
  if (name.find('/') != std::string::npos) {
    throw Error(Errc::invalid_argument, "the name of an image has a '/'").with_image(name);
  }
  return name;
}

}  // namespace cim::capi
