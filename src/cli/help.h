// What --help and cim help show.
#pragma once

#include <string>
#include <vector>

#include "cli/command_line.h"

namespace cim::cli {

// Makes `app`, and the subcommands that are added to it later, show help in the style of GNU's
// programs.
void set_up_help(CLI::App& app);

// Frees the option -h of `command` for another meaning.
void reserve_short_h(CLI::App& command);

// Adds cim help.
void add_help_command(CLI::App& app);

// The subcommands of `app` that its help shows.
std::vector<const CLI::App*> commands_of(const CLI::App& app);

// Whether no value has to follow `option`.
bool is_flag(const CLI::Option& option);

// What stands for the value of `option`, as in `--tar FILE`; empty if it takes none.
std::string value_name(const CLI::Option& option);

// The names of an option as on the command line, the long one last: "-f", "--force". For an
// argument, its only name.
std::vector<std::string> names_of(const CLI::Option& option);

}  // namespace cim::cli
