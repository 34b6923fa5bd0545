// Files as GNU ls -l shows them.
#pragma once

#include <span>
#include <string>

#include "cli/file_info.h"

namespace cim::cli {

// The lines of `ls -l` in the C locale for `files` of `image`, aligned with each other. Unlike in
// ls(1), control characters in names are always escaped.
std::string long_listing(const Image& image, std::span<const FileInfo> files);

// The line with the disk usage of `files` that comes before them.
std::string total_line(std::span<const FileInfo> files);

}  // namespace cim::cli
