// The options of the commands that leave out files by their names.
#pragma once

#include <string>
#include <vector>

#include "cli/command_line.h"

namespace cim::cli {

// The options as given on the command line.
struct ExcludeOptions {
  std::vector<std::string> exclude;
  std::vector<std::string> exclude_from;
};

// Adds the options to `command`, which stores their values in `options`, and returns them.
std::vector<Option> add_exclude_options(Command command, ExcludeOptions& options);

// All patterns. Throws Error for a file of patterns that cannot be read.
std::vector<std::string> exclude_patterns(const ExcludeOptions& options);

}  // namespace cim::cli
