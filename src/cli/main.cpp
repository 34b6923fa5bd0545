// cim, the command-line tool: builds, changes, shows, extracts and mounts composite images.
//
// Exit status: 0 success, 1 failure, 2 wrong usage; cim diff: 0 same, 1 different, 2 anything else;
// cim check: as fsck(8); cim mount -f: as cimfs. Results go to standard output, all else to
// standard error.
#include <clocale>
#include <exception>
#include <new>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <cim/error.h>

#include "cli/commands.h"
#include "cli/escape.h"
#include "cli/help.h"
#include "cli/usage_error.h"
#include "format/layout.h"
#include "image/mapping_fault.h"
#include "program/descriptor_limit.h"
#include "program/interruption.h"
#include "program/standard_streams.h"

namespace {

constexpr int exit_help = 0;

constexpr const char* out_of_memory = "not enough memory";

void print_error(std::string_view message) noexcept {
  try {
    cim::write_line({cim::cli::escape_controls(message)});
  } catch (const std::bad_alloc&) {
    cim::write_line({out_of_memory});
  }
}

std::string version_text() {
  using namespace cim::format;
  static_assert(oldest_version_major == 1 && version_major == 3 && version_minor == 0);
  return "cim " CIMFS_VERSION "\nformat: reads versions 1.0, 2.0 and 3.0, writes 3.0";
}

int usage_exit(const CLI::App& app, const CLI::ParseError& error,
               const cim::cli::ExitStatus& exit) {
  const bool asked_for_help = error.get_exit_code() == 0;
  if (asked_for_help) {
    app.exit(error);
    cim::finish_printing();
    return exit_help;
  }
  print_error(cim::cli::usage_complaint(app, error));
  return exit.usage;
}

int run(int argc, char** argv, cim::cli::ExitStatus& exit) {
  CLI::App app("Builds, changes, shows, extracts and mounts composite images (CimFS)", "cim");
  cim::cli::set_up_help(app);
  app.set_version_flag("-V,--version", version_text(), "Show the version");
  app.require_subcommand(1);
  const cim::cli::Command command(app);
  cim::cli::add_build_commands(command);
  cim::cli::add_change_commands(command);
  cim::cli::add_list_command(command);
  cim::cli::add_tree_command(command);
  cim::cli::add_disk_usage_command(command);
  cim::cli::add_inspect_commands(command);
  cim::cli::add_diff_command(command, exit);
  cim::cli::add_check_command(command, exit);
  cim::cli::add_copy_commands(command);
  cim::cli::add_collect_command(command);
  cim::cli::add_import_command(command);
  cim::cli::add_layer_commands(command);
  cim::cli::add_merge_command(command);
  cim::cli::add_extract_command(command);
  cim::cli::add_export_command(command);
  cim::cli::add_mount_commands(command);
  cim::cli::add_edit_command(command, exit);
  cim::cli::add_complete_command(app);
  cim::cli::add_help_command(app);
  try {
    const std::vector<const char*> arguments = cim::cli::command_line(argc, argv);
    cim::cli::parse(app, static_cast<int>(arguments.size()), arguments.data());
    cim::finish_printing();
  } catch (const CLI::ParseError& error) {
    return usage_exit(app, error, exit);
  } catch (const cim::cli::UsageError& error) {
    print_error(error.what());
    return exit.usage;
  }
  return exit.success;
}

}  // namespace

int main(int argc, char** argv) {
  cim::cli::ExitStatus exit;
  try {
    cim::open_missing_standard_streams();
    // Decides what counts as a character in --exclude patterns, and the lines that cim tree draws.
    std::setlocale(LC_CTYPE, "");
    cim::raise_descriptor_limit();
    cim::exit_at_mapping_faults(exit.failure);
    cim::handle_interruptions();
    return run(argc, argv, exit);
  } catch (const cim::Interruption& interruption) {
    cim::end_by_signal(interruption.signal);
  } catch (const std::bad_alloc&) {
    print_error(out_of_memory);
    return exit.failure;
  } catch (const std::exception& error) {
    print_error(error.what());
    return exit.failure;
  }
}
