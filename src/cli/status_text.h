// The text of cim stat.
#pragma once

#include <string>

#include "cli/file_info.h"

namespace cim::cli {

// Several lines in the style of stat(1).
std::string status_text(const Image& image, const FileInfo& file);

}  // namespace cim::cli
