// Which processes use a mount. May be called from many threads at once.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

namespace cim {

struct MountUser {
  pid_t pid = 0;
  std::string command;  // its name
  bool writes = false;  // has a file open for writing, or mapped so that writes reach it
};

// The other processes that have a file open below the canonical path `mount_point`, run one, or are
// in a directory there. Those of other users are only seen by root, and those that see the mount at
// another path by nobody.
std::vector<MountUser> find_mount_users(const std::string& mount_point);

// What to tell of them: "in use by bash (123), vim (124)".
std::string describe_users(const std::vector<MountUser>& users);

}  // namespace cim
