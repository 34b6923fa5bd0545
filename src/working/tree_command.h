// Runs a program in a tree that nobody else sees.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace cim::working {

struct TreeCommand {
  std::vector<std::string> words;  // the program and its arguments; empty: a shell
  std::string directory;           // where it runs

  // With `directory` as its root, where /dev, /proc and /sys of the system are as well, if the tree
  // has such directories.
  bool as_root_directory = false;
};

// Calls `mount`, then runs `command`, both where only that and what it starts see the mounts that
// they make, and nothing of it outlives its end, or that of this process: everything that is still
// running is killed then. Signals of the terminal are for the command alone. Returns its exit
// status: 128 plus the number of the signal that ended it, 127 if there is no such program, after a
// message; nothing, after a message, if `mount` has thrown. Throws Error.
//
// This process must be root, if only of a user namespace.
std::optional<int> run_in_private(const std::function<void()>& mount, const TreeCommand& command);

}  // namespace cim::working
