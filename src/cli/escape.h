// Makes names fit to be shown to people.
#pragma once

#include <string>
#include <string_view>

namespace cim::cli {

// `text` with control characters and bytes that are not UTF-8 written as `\n`, `\t` or three octal
// digits, so that it is one line and harmless to a terminal.
std::string escape_controls(std::string_view text);

// `text` for standard output: escaped as by escape_controls() if that is a terminal, else
// unchanged.
std::string escape_for_terminal(const std::string& text);

}  // namespace cim::cli
