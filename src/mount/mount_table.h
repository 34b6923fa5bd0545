// The kernel's mount table. May be called from many threads at once.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <sys/types.h>

namespace cim {

// A mount that this process sees, see proc_pid_mountinfo(5).
struct Mount {
  std::string mount_point;  // absolute path
  std::string type;         // of the file system
  std::string source;       // what is mounted, as the file system names it
  std::string options;      // of the file system
  std::string device;       // MAJOR:MINOR, as in /sys/class/bdi
  int id = 0;               // of the mount, as in the kernel's other tables
  uid_t user = 0;           // who mounted it
};

// Decodes the \ooo by which the kernel writes blanks, newlines and others, as in `options`.
std::string decode_octal(std::string_view text);

// All of them; of those at one mount point, the topmost comes last. Throws Error.
std::vector<Mount> mount_table();

// The topmost mount at the canonical path `mount_point`; nothing if there is none. Does not look at
// the mount point itself: somebody may already be unmounting it, and would find it busy.
std::optional<Mount> mount_at(const std::string& mount_point);

}  // namespace cim
