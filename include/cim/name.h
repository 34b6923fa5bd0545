// Names of files: bytes on Linux, UTF-16 in an image.
//
// Each Linux name of up to 255 bytes has one image name of up to 255 units, each image name has one
// Linux name, and converting a name there and back never changes it:
//   - valid UTF-8 is converted to UTF-16;
//   - a byte that Windows forbids in names (1-31, " * : < > ? \ |) becomes U+F000 + byte, as WSL
//     and Cygwin do;
//   - a byte that is not part of valid UTF-8 becomes the lone surrogate U+DC00 + byte;
//   - a character that already is one of those U+F000 + byte becomes its UTF-8 bytes, each as
//     U+DC00 + byte.
// These rules never make an image name that holds a forbidden character itself, or surrogates that
// stand for no byte. On Linux such a name is escaped: the noncharacter U+FDD0, then the name in
// WTF-8, that is UTF-8 with lone surrogates. If the rules would give an image name a Linux name
// that is the escaped form of another, that image name is escaped too, so no two names ever become
// one. Other Linux names with U+FDD0 follow the rules.
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

// Bytes of the longest Linux name of an image name: 3 for each unit, and 3 for U+FDD0.
inline constexpr std::size_t max_name_bytes = 3 * max_name_units + 3;

// Converts the Linux name `name` into `out`, which has room for `capacity` units. Returns the
// number of units, or `capacity + 1` if they do not fit (`out` is then partly written). Never
// more units than `name` has bytes. Does not allocate.
CIM_API std::size_t linux_to_image_name(std::string_view name, char16_t* out,
                                        std::size_t capacity) noexcept;

// Converts the image name `name` into `out`, which must have room for 3 bytes per unit and 3 more.
// Returns the number of bytes. Does not allocate. A string that is too long for a name is never
// escaped.
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
