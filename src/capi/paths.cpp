// Taking apart image paths; UTF-16 to host names.
#include "capi/paths.h"

#include <algorithm>

#include <cim/error.h>

#include "format/utf16.h"
#include "format/utf8.h"

namespace cim::capi {

namespace {

constexpr std::u16string_view data_stream_type = u"$DATA";

// Leaves `:` to callers, which know what comes before and after it.
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

// The case of a stream type does not matter.
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

bool is_escaped_byte(char32_t c) { return c >= 0xDC80 && c <= 0xDCFF; }

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

// Not image_to_linux_name(): that also maps U+F000 to U+F0FF, which stand for themselves on the
// host.
std::string host_path(const char16_t* text) {
  std::u16string_view rest = require_text(text);
  std::string out;
  while (!rest.empty()) {
    const char32_t c = format::first_character(rest);
    rest.remove_prefix(format::units_of(c));
    if (is_escaped_byte(c)) {
      out.push_back(static_cast<char>(c));
    } else if (format::is_surrogate(c)) {
      throw Error(Errc::invalid_argument, "a path or name is not valid UTF-16");
    } else {
      char bytes[format::max_utf8_length];
      out.append(bytes, format::encode_utf8(c, bytes));
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
