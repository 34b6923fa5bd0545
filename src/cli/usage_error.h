// What is wrong with a command line, in words.
#pragma once

#include <string>
#include <string_view>

#include "cli/command_line.h"

namespace CLI {
class ParseError;
}

namespace cim::cli {

// One line on why `app` could not parse its command line. Words of our own (ValidationError)
// are kept; those of CLI11 are replaced.
std::string usage_complaint(const CLI::App& app, const CLI::ParseError& error);

// The error for `word` where a command of `app` belongs.
UsageError unknown_command(const CLI::App& app, std::string_view word);

}  // namespace cim::cli
