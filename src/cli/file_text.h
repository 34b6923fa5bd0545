// Files of an image as text for people.
#pragma once

#include <string>

#include "cli/file_info.h"

namespace cim::cli {

// The name of `file` for standard output: with control characters escaped on a terminal, as it is
// anywhere else.
std::string name_line(const FileInfo& file);

// A line in the manner of `ls -l`, with the full time, and control characters always escaped.
std::string long_line(const FileInfo& file);

// Several lines in the manner of stat(1).
std::string status_text(const Image& image, const FileInfo& file);

}  // namespace cim::cli
