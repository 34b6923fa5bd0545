// Names fit to be shown to a person.
#pragma once

#include <string>
#include <string_view>

namespace cim::cli {

// `text` with control characters and bytes that are not UTF-8 as `\n`, `\t` or three octal digits:
// one line, and harmless to a terminal.
std::string escape_controls(std::string_view text);

// `text` fit for standard output: as escape_controls() makes it if that is a terminal, else as it
// is.
std::string escape_for_terminal(const std::string& text);

}  // namespace cim::cli
