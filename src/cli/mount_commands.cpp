// cim mount and umount
#include <cerrno>
#include <memory>

#include <cim/error.h>
#include <unistd.h>

#include "cli/commands.h"
#include "mount/mount.h"

namespace cim::cli {
namespace {

struct MountOptions {
  std::string image;
  std::string mount_point;
  std::vector<std::string> options;
  bool foreground = false;
};

struct UnmountOptions {
  std::string mount_point;
  bool lazy = false;
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

void mount(const MountOptions& options) {
  if (!options.foreground) {
    return mount_image(options.image, options.mount_point, options.options);
  }
  run_daemon(options);
  throw system_error(errno, "cimfs");
}

void add_mount(Command app) {
  const Command command = app.add_subcommand("mount", "Mount an image, read-only, on a directory");
  const auto options = std::make_shared<MountOptions>();
  add_image_argument(command, options->image);
  command.add_option("DIR", options->mount_point, "The directory").required();
  command.add_option("-o", options->options, "Mount options, see cimfs(1)")
      .type_name("OPTS")
      .one_value_each();  // one value each
  command.add_flag("-f", options->foreground, "Stay in the foreground until it is unmounted");
  set_action(command, options->image, [options] { mount(*options); });
}

void add_umount(Command app) {
  const Command command = app.add_subcommand("umount", "Unmount an image");
  const auto options = std::make_shared<UnmountOptions>();
  command.add_option("DIR", options->mount_point, "The directory that it is mounted on").required();
  command.add_flag("-l,--lazy", options->lazy,
                   "Take it away now even if it is in use, and end it\n"
                   "when nobody uses it any more");
  set_action(command, options->mount_point,
             [options] { unmount_image(options->mount_point, options->lazy); });
}

}  // namespace

void add_mount_commands(Command app) {
  add_mount(app);
  add_umount(app);
}

}  // namespace cim::cli
