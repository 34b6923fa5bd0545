// Files as Windows lists them.
#pragma once

#include <span>
#include <string>

#include "cli/color.h"
#include "cli/file_info.h"

namespace cim::cli {

// A line for each of `files` of `image`, aligned with each other: attributes, as PowerShell's
// Get-ChildItem shows them; owner in Windows, "-" if it has none and "?" if its security descriptor
// is broken; size, time and name, as long_listing() shows them.
std::string windows_listing(const Image& image, std::span<const FileInfo> files,
                            const FileColors& colors, bool human_readable);

}  // namespace cim::cli
