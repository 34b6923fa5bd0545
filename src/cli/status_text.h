// What cim stat shows, for people.
#pragma once

#include <string>

#include "cli/file_info.h"

namespace cim::cli {

// Several lines in the manner of stat(1).
std::string status_text(const Image& image, const FileInfo& file);

}  // namespace cim::cli
