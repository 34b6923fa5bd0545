// The command line of cimfs and mount.cimfs. Not thread-safe: getopt_long(3) is not.
#pragma once

#include <chrono>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/mount.h>

#include "operations.h"

namespace cim {

// A command line that makes no sense. what() is one line for the user.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct Options {
  enum class Action { mount, check_only, show_help, show_version };

  Action action = Action::mount;
  std::string image;
  std::string mount_point;
  FileSystem::Options file_system;
  std::vector<std::string> mount_options;  // for the kernel and fusermount3, in order
  mount_attr flags = {};                   // the changes to suid, dev, exec and symfollow
  bool remount = false;                    // make only those changes, to a mount of the image
  bool nonempty = false;                   // mount over a directory that has entries
  std::chrono::seconds idle_timeout{0};    // unmount when idle for so long; 0: never
  bool sandbox = CIMFS_SANDBOX;            // give up the rights that serving does not need
  bool foreground = false;
  bool debug = false;  // let libfuse show every request
};

// Whether the program was started as mount.cimfs, the helper of mount(8), which has options and
// exit statuses of its own.
bool is_mount_helper(const char* program);

// Parses main()'s arguments. Throws UsageError.
Options parse_options(int argc, char* const* argv);

// What --help shows.
std::string help_text();

}  // namespace cim
