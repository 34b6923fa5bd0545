// Where a path really leads. May be called from many threads at once.
#pragma once

#include <string>

namespace cim {

// The absolute path, without symbolic links, of what is at `path` (realpath(3)). Throws Error.
std::string canonical_path(const std::string& path);

}  // namespace cim
