// The subcommands of cim, by what they do. The program runs in one thread, and nothing here is
// thread-safe.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/command_line.h"

namespace cim::cli {

// The exit statuses of cim. A subcommand that promises others than 0 and 1 sets them when it
// starts.
struct ExitStatus {
  int success = 0;  // after the subcommand has returned
  int failure = 1;  // after it has thrown cim::Error
  int usage = 2;    // when the command line is wrong
};

// Each adds its subcommands to `app`. A subcommand runs while the command line is parsed; it throws
// cim::Error if it fails, UsageError for wrong usage.
void add_build_commands(Command app);   // create, add, rm, ln
void add_change_commands(Command app);  // chmod, chown, touch, setfattr
void add_list_command(Command app);     // ls
void add_tree_command(Command app);
void add_disk_usage_command(Command app);  // du
void add_inspect_commands(Command app);    // stat, cat, info
void add_diff_command(Command app, ExitStatus& exit);
void add_check_command(Command app, ExitStatus& exit);
void add_collect_command(Command app);  // gc
void add_copy_commands(Command app);    // cp, mv
void add_layer_commands(Command app);   // import-layer, export-layer
void add_import_command(Command app);
void add_merge_command(Command app);
void add_extract_command(Command app);
void add_export_command(Command app);
void add_mount_commands(Command app);  // mount, umount, commit
void add_edit_command(Command app, ExitStatus& exit);
void add_complete_command(CLI::App& app);

// Adds the argument IMAGE, which most subcommands start with.
void add_image_argument(Command command, std::string& image);

// Adds the option --json, and returns it.
Option add_json_flag(Command command, bool& json);

// The command line of cim for what fsck(8) asks of fsck.cimfs; `argv` unchanged if the program has
// another name. Drops options that only matter for repairs.
std::vector<const char*> command_line(int argc, const char* const* argv);

// Makes `command` call `run`. An Error from it that names no image gets the name `image`.
void set_action(Command command, const std::string& image, std::function<void()> run);

}  // namespace cim::cli
