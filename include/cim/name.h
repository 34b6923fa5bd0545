// Names of files: bytes on Linux, UTF-16 in an image.
//
// Any Linux name of up to 255 bytes has one image name of up to 255 units, and comes back the
// same:
//   - valid UTF-8 is converted to UTF-16;
//   - a byte that Windows forbids in names (1-31, " * : < > ? \ |) becomes U+F000 + byte, as WSL
//     and Cygwin do;
//   - a byte that is not part of valid UTF-8 becomes the lone surrogate U+DC00 + byte;
//   - a character that is itself one of those U+F000 + byte is written as its UTF-8 bytes, each
//     as U+DC00 + byte, so that the mapping stays one-to-one.
//
// All functions may be called from many threads at once.
//
// In the C++ API a path inside an image is UTF-16 with `\` between names, as on Windows; the
// empty path is the root directory.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include <cim/export.h>

namespace cim {

inline constexpr std::size_t max_name_units = 255;
inline constexpr std::size_t max_path_units = 32767;

// UTF-8 bytes that an image name of max_name_units can need.
inline constexpr std::size_t max_name_bytes = 3 * max_name_units;

// Converts the Linux name `name` into `out`, which has room for `capacity` units. Returns the
// number of units, or `capacity + 1` if they do not fit (`out` is then partly written). Never
// more units than `name` has bytes. Does not allocate.
CIM_API std::size_t linux_to_image_name(std::string_view name, char16_t* out,
                                        std::size_t capacity) noexcept;

// Converts the image name `name` into `out`, which must have room for 3 bytes per unit. Returns
// the number of bytes. Does not allocate. A lone surrogate outside U+DC80-U+DCFF, which only
// Windows can have made, comes out as its three-byte form.
CIM_API std::size_t image_to_linux_name(std::u16string_view name, char* out) noexcept;

// The same for whole strings.
CIM_API std::u16string linux_to_image_name(std::string_view name);
CIM_API std::string image_to_linux_name(std::u16string_view name);

// Converts a Linux path inside an image (`/` between names; leading, trailing and repeated ones
// are ignored, as is a `.` component) to an image path. Throws Error (invalid_argument) on a `..`
// component or a NUL, Error (name_too_long) on a name over 255 or a path over 32,767 units.
CIM_API std::u16string linux_to_image_path(std::string_view path);

// Converts an image path to a Linux path without a leading `/`; "" for the root directory.
CIM_API std::string image_to_linux_path(std::u16string_view path);

}  // namespace cim
