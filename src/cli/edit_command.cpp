// cim edit
#include <iostream>
#include <memory>
#include <optional>

#include <cim/error.h>
#include <fmt/format.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/image_name.h"
#include "cli/new_image.h"
#include "cli/working_tree_report.h"
#include "image/canonical_path.h"
#include "program/standard_streams.h"
#include "working/tree_command.h"
#include "working/user_namespace.h"
#include "working/working_tree.h"

namespace cim::cli {
namespace {

constexpr int exit_failure = 1;  // after a message

struct EditOptions {
  std::string image;
  std::optional<std::string> new_image;
  std::vector<std::string> command;
  bool as_root_directory = false;
  bool resume = false;
  bool discard = false;
};

bool has_terminal() { return isatty(STDIN_FILENO) == 1 && isatty(STDERR_FILENO) == 1; }

// The first letter of the answer to `question`, which the user may not give: '\0'.
char ask(const std::string& question) {
  write_message({question});
  std::string answer;
  std::getline(std::cin, answer);
  return answer.empty() ? '\0' : answer.front();
}

enum class Earlier { resume, discard, leave };

// What to do with the changes of an earlier edit, in `path`.
Earlier choose_for_earlier(const EditOptions& options, const std::string& path) {
  if (options.resume) return Earlier::resume;
  if (!has_terminal()) return Earlier::leave;
  switch (
      ask(fmt::format("{} has changes of an earlier edit: [r]esume, [d]iscard or [l]eave "
                      "them? [r] ",
                      path))) {
    case '\0':
    case 'r':
      return std::cin ? Earlier::resume : Earlier::leave;
    case 'd':
      return Earlier::discard;
    default:
      return Earlier::leave;
  }
}

working::WorkingTree open_tree(const EditOptions& options) {
  const std::string image = canonical_path(options.image);
  const std::string changes = working::ChangesDirectory::default_path(image);
  if (options.discard) working::WorkingTree::discard(changes);
  working::WorkingTree tree = working::WorkingTree::open(image, changes);
  if (!tree.has_changes()) return tree;
  switch (choose_for_earlier(options, changes)) {
    case Earlier::resume:
      break;
    case Earlier::discard:
      tree.discard();
      return working::WorkingTree::open(image, changes);
    case Earlier::leave:
      throw Error(
          Errc::already_exists,
          "has changes of an earlier edit; --resume goes on with them, --discard drops them")
          .with_path(changes);
  }
  return tree;
}

enum class Ending { commit, keep, discard };

Ending choose_ending(const std::string& program, int status) {
  if (status == 0) return Ending::commit;
  if (!has_terminal()) return Ending::keep;
  switch (
      ask(fmt::format("{} ended with status {}: [c]ommit, [k]eep the changes for the next edit, "
                      "or [d]iscard them? [k] ",
                      program, status))) {
    case 'c':
      return Ending::commit;
    case 'd':
      return Ending::discard;
    default:
      return Ending::keep;
  }
}

void finish(working::WorkingTree& tree, Ending ending, const std::string& name) {
  switch (ending) {
    case Ending::commit:
      return commit_unmounted(tree, name);
    case Ending::keep:
      return keep_changes(tree);
    case Ending::discard:
      return tree.discard();
  }
}

// Returns the exit status of the command.
int edit(const EditOptions& options) {
  const std::string image = canonical_path(options.image);
  const std::string name =
      options.new_image ? name_beside(image, *options.new_image) : ImageName(image).name;
  if (name == ImageName(image).name) refuse_mounted(image);
  check_target(image, name);
  if (geteuid() != 0) working::enter_user_namespace();
  working::WorkingTree tree = open_tree(options);
  const std::string directory = tree.changes().private_mount_point();
  const std::optional<int> status = working::run_in_private(
      [&] { tree.mount(directory); }, {options.command, directory, options.as_root_directory});
  tree.forget_mount();
  if (!status) {
    keep_changes(tree);
    return exit_failure;
  }
  const std::string program = options.command.empty() ? "the shell" : options.command.front();
  finish(tree, choose_ending(program, *status), name);
  return *status;
}

}  // namespace

void add_edit_command(Command app, ExitStatus& exit) {
  const Command command =
      app.add_subcommand("edit", "Run a command in an image and keep its changes");
  const auto options = std::make_shared<EditOptions>();
  add_image_argument(command, options->image);
  command.add_option("NEW", options->new_image,
                     "The new image, beside IMAGE; default: replace that");
  command.add_command_line("COMMAND", options->command,
                           "Behind '--': what to run, with its arguments;\n"
                           "default: a shell");
  command.add_flag("--chroot", options->as_root_directory, "Run it with the tree as its root");
  const Option resume =
      command.add_flag("--resume", options->resume, "Go on with the changes of an earlier edit");
  command.add_flag("--discard", options->discard, "Drop the changes of an earlier edit first")
      .excludes(resume);
  command.footer(
      "The image is made if COMMAND succeeds. Otherwise you are asked, or without a\n"
      "terminal the changes are kept, for the next edit, in IMAGE.upper.");
  set_action(command, options->image, [options, &exit] { exit.success = edit(*options); });
}

}  // namespace cim::cli
