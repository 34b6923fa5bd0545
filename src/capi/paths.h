// The strings of the C API: paths inside an image, and names on the host. May be called from many
// threads at once.
#pragma once

#include <string>
#include <string_view>

namespace cim::capi {

// A path of the C API, taken apart.
struct ImagePath {
  std::u16string_view file;  // as Writer takes it: without a leading `\`; empty: the root directory
  std::u16string_view stream;  // the name of a stream of `file`; empty: the file itself
};

// Takes apart `path`, NUL-terminated: `path`, `path:name` or `path:name:$DATA`. The result points
// into it. Throws Error (invalid_argument) if it is null or empty, has a character that NTFS
// forbids, or if what follows a `:` is not a stream. Names and lengths are left to Writer to check.
ImagePath parse_image_path(const char16_t* path);

// The same for a path that must not name a stream. Throws Error (invalid_argument) if it does.
std::u16string_view parse_file_path(const char16_t* path);

// The same for a path that must. Throws Error (invalid_argument) if it does not.
ImagePath parse_stream_path(const char16_t* path);

// `text`, NUL-terminated, as a string of the host: in UTF-8, but a lone surrogate U+DC80 to U+DCFF
// becomes the byte 80 to FF. Throws Error (invalid_argument) if it is null or empty, or has another
// lone surrogate.
std::string host_path(const char16_t* text);

// host_path() of the name of an image. Throws Error (invalid_argument) also if it has a `/`.
std::string image_name(const char16_t* text);

}  // namespace cim::capi
