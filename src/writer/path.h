// Paths that a writer accepts. May be called from many threads at once.
#pragma once

#include <string_view>
#include <vector>

namespace cim {

// The names in the image path `path`, as views into it; none for the root directory. Throws Error:
// invalid_argument for a name that is empty, `.` or `..` or contains a NUL or `/`, name_too_long
// for a name over 255 units or a path over 32,767.
std::vector<std::u16string_view> split_path(std::u16string_view path);

// Throws as split_path() does unless `name` can name a file or a stream.
void check_name(std::u16string_view name);

}  // namespace cim
