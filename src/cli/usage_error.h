// What is wrong with a command line, in words.
#pragma once

#include <string>
#include <string_view>

#include <CLI/CLI.hpp>

namespace cim::cli {

// One line on why `app` could not parse its command line. An Error whose words are the caller's own
// (ValidationError) keeps them; those of CLI11 are replaced.
std::string usage_complaint(const CLI::App& app, const CLI::ParseError& error);

// The Error for `word` where a command of `app` belongs.
CLI::ValidationError unknown_command(const CLI::App& app, std::string_view word);

}  // namespace cim::cli
