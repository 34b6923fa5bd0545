// cim mount, umount and commit
#include <cerrno>
#include <memory>
#include <optional>

#include <cim/error.h>
#include <fmt/format.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/image_name.h"
#include "cli/progress_report.h"
#include "cli/working_tree_report.h"
#include "image/canonical_path.h"
#include "mount/mount.h"
#include "program/interruption.h"
#include "program/standard_streams.h"
#include "working/working_tree.h"

namespace cim::cli {
namespace {

struct MountOptions {
  std::string image;
  std::string mount_point;
  std::vector<std::string> options;
  bool foreground = false;
  bool writable = false;
  std::optional<std::string> upper;
};

struct UnmountOptions {
  std::string mount_point;
  bool lazy = false;
  bool commit = false;
  bool discard = false;
  std::optional<std::string> new_image;
};

struct CommitCommandOptions {
  std::string mount_point;
  std::optional<std::string> new_image;
  bool force = false;
};

// Becomes the daemon. Returns only if that fails.
void run_daemon(const MountOptions& mount) {
  std::vector<std::string> arguments = {"cimfs", "-f"};
  for (const std::string& option : mount.options) {
    arguments.push_back("-o");
    arguments.push_back(option);
  }
  arguments.insert(arguments.end(), {"--", mount.image, mount.mount_point});
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  execvp("cimfs", argv.data());
  if (errno == ENOENT) execv(CIMFS_BINDIR "/cimfs", argv.data());
}

// Where the changes to an image go: an absolute path.
std::string changes_path(const MountOptions& options) {
  if (!options.upper) {
    return working::ChangesDirectory::default_path(canonical_path(options.image));
  }
  const ImageName upper(*options.upper);
  return canonical_path(upper.directory) + "/" + upper.name;
}

void mount_writable(const MountOptions& options) {
  working::WorkingTree tree = working::WorkingTree::open(options.image, changes_path(options));
  try {
    tree.mount(options.mount_point);
  } catch (...) {
    if (!tree.has_changes()) tree.discard();
    throw;
  }
  if (tree.has_changes()) write_line({"goes on with the changes in ", tree.changes().path()});
}

void mount(const MountOptions& options) {
  if (options.writable) return mount_writable(options);
  if (options.upper) throw UsageError("'--upper' is only for '--rw'");
  if (!options.foreground) {
    return mount_image(options.image, options.mount_point, options.options);
  }
  run_daemon(options);
  throw system_error(errno, "cimfs");
}

// A process in the tree could not unmount it.
void leave_tree() { static_cast<void>(chdir("/")); }

std::string own_name(const working::WorkingTree& tree) { return ImageName(tree.image()).name; }

void unmount_tree(working::WorkingTree& tree, const UnmountOptions& options) {
  const std::optional<std::string> name =
      options.new_image ? std::optional(name_beside(tree.image(), *options.new_image))
      : options.commit || tree.changes().replaces_image() ? std::optional(own_name(tree))
                                                          : std::nullopt;
  if (options.lazy && name) {
    throw Error(Errc::invalid_argument, "is to be committed, for which it must not be in use");
  }
  if (name) check_target(tree.image(), *name);
  leave_tree();
  tree.unmount(options.lazy);
  if (options.discard) return tree.discard();
  if (name) return commit_unmounted(tree, *name);
  options.lazy ? say_where_kept(tree) : keep_changes(tree);
}

void unmount(const UnmountOptions& options) {
  if (options.new_image && !options.commit) throw UsageError("NEW is only for '--commit'");
  auto tree = working::WorkingTree::find(canonical_path(options.mount_point));
  if (tree) return unmount_tree(*tree, options);
  if (options.commit || options.discard) {
    throw Error(Errc::invalid_argument, "no image is mounted here with --rw")
        .with_path(options.mount_point);
  }
  unmount_image(options.mount_point, options.lazy);
}

void commit(const CommitCommandOptions& options) {
  auto tree = working::WorkingTree::find(canonical_path(options.mount_point));
  if (!tree) {
    throw Error(Errc::file_not_found, "no image is mounted here with --rw")
        .with_path(options.mount_point);
  }
  working::CommitOptions commit = {.name = std::nullopt, .force = options.force};
  if (options.new_image) commit.name = name_beside(tree->image(), *options.new_image);
  leave_tree();
  const DeferredInterruption deferred;
  ProgressReport report(tree->image(), {});
  if (commit_mounted(*tree, commit, report) == working::Outcome::postponed) {
    report.clear();
    write_line({options.mount_point, ": is in use; the image is replaced when it is unmounted"});
  }
}

void add_mount(Command app) {
  const Command command = app.add_subcommand("mount", "Mount an image on a directory");
  const auto options = std::make_shared<MountOptions>();
  add_image_argument(command, options->image);
  command.add_option("DIR", options->mount_point, "The directory").required();
  const Option mount_options =
      command.add_option("-o", options->options, "Mount options, see cimfs(1)")
          .type_name("OPTS")
          .one_value_each();
  const Option foreground =
      command.add_flag("-f", options->foreground, "Stay in the foreground until it is unmounted");
  command
      .add_flag("--rw", options->writable,
                "Let it be changed there; cim commit, or cim umount\n"
                "with --commit, makes an image of that")
      .excludes(foreground)
      .excludes(mount_options);
  command
      .add_option("--upper", options->upper,
                  "Keep the changes in this directory until then;\n"
                  "default: IMAGE.upper")
      .type_name("UPPER");
  set_action(command, options->image, [options] { mount(*options); });
}

void add_umount(Command app) {
  const Command command = app.add_subcommand("umount", "Unmount an image");
  const auto options = std::make_shared<UnmountOptions>();
  command.add_option("DIR", options->mount_point, "The directory that it is mounted on").required();
  command.add_option("NEW", options->new_image,
                     "With --commit: the new image, beside the one that is\n"
                     "mounted; default: replace that");
  const Option lazy = command.add_flag("-l,--lazy", options->lazy,
                                       "Take it away now even if it is in use, and end it\n"
                                       "when nobody uses it any more");
  const Option commit = command
                            .add_flag("--commit", options->commit,
                                      "Make an image of what was changed in a mount that\n"
                                      "can be changed; otherwise the changes are kept")
                            .excludes(lazy);
  command.add_flag("--discard", options->discard, "Drop what was changed there")
      .excludes(commit)
      .excludes(lazy);
  set_action(command, options->mount_point, [options] { unmount(*options); });
}

void add_commit(Command app) {
  const Command command =
      app.add_subcommand("commit", "Make an image of what is in a mount with --rw");
  const auto options = std::make_shared<CommitCommandOptions>();
  command.add_option("DIR", options->mount_point, "The directory that it is mounted on").required();
  command.add_option("NEW", options->new_image,
                     "The new image, beside the one that is mounted;\n"
                     "default: replace that, which must not be in use,\n"
                     "or else is replaced when it is unmounted");
  command.add_flag("-f,--force", options->force,
                   "Make NEW even if files are open for writing; DIR\n"
                   "then stays as it is, with its changes");
  command.footer("DIR stays mounted, and shows NEW from then on.");
  set_action(command, options->mount_point, [options] { commit(*options); });
}

}  // namespace

void add_mount_commands(Command app) {
  add_mount(app);
  add_umount(app);
  add_commit(app);
}

}  // namespace cim::cli
