// The subcommands of cim, by what they do. The program runs in one thread, and nothing here is
// thread-safe.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace cim::cli {

// The exit statuses of cim. A subcommand that promises others than 0 and 1 sets them when it
// starts.
struct ExitStatus {
  int success = 0;  // after the subcommand has returned
  int failure = 1;  // after it has thrown cim::Error
  int usage = 2;    // when the command line is wrong
};

// Each adds its subcommands to `app`. A subcommand runs while the command line is parsed; it throws
// cim::Error if it fails, CLI::ParseError for wrong usage.
void add_build_commands(CLI::App& app);  // create, add, rm, ln
void add_list_command(CLI::App& app);    // ls
void add_tree_command(CLI::App& app);
void add_disk_usage_command(CLI::App& app);  // du
void add_inspect_commands(CLI::App& app);    // stat, cat, info
void add_diff_command(CLI::App& app, ExitStatus& exit);
void add_check_command(CLI::App& app, ExitStatus& exit);
void add_collect_command(CLI::App& app);  // gc
void add_copy_commands(CLI::App& app);    // cp, mv
void add_layer_commands(CLI::App& app);   // import-layer
void add_extract_command(CLI::App& app);
void add_export_command(CLI::App& app);
void add_mount_commands(CLI::App& app);  // mount, umount
void add_complete_command(CLI::App& app);

// Adds the argument IMAGE, which most subcommands start with.
void add_image_argument(CLI::App& command, std::string& image);

// Adds the option --json, and returns it.
CLI::Option* add_json_flag(CLI::App& command, bool& json);

// The check that the value of an option is one of `values`, which completions then offer.
CLI::Validator one_of(std::vector<std::string> values);

// Parses the command line, which runs the subcommand. Throws what either throws.
void parse(CLI::App& app, int argc, const char* const* argv);

// The command line of cim for what fsck(8) asks of fsck.cimfs; `argv` unchanged if the program has
// another name. Drops options that only matter for repairs.
std::vector<const char*> command_line(int argc, const char* const* argv);

// Makes `command` call `run`. An Error from it that names no image gets the name `image`.
void set_action(CLI::App& command, const std::string& image, std::function<void()> run);

}  // namespace cim::cli
