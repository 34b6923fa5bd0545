// Files as GNU ls -l shows them.
#pragma once

#include <span>
#include <string>

#include "cli/color.h"
#include "cli/file_info.h"

namespace cim::cli {

// The lines of `ls -l` in the C locale for `files` of `image`, aligned with each other. Unlike in
// ls(1), control characters in names are always escaped. Sizes are short ones if `human_readable`,
// as with -h.
std::string long_listing(const Image& image, std::span<const FileInfo> files,
                         const FileColors& colors, bool human_readable);

// The line with the disk usage of `files` that comes before them.
std::string total_line(std::span<const FileInfo> files, bool human_readable);

}  // namespace cim::cli
