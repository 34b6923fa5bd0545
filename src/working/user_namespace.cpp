#include "working/user_namespace.h"

#include <cerrno>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>

#include <cim/error.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <pwd.h>
#include <sched.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image/file_descriptor.h"
#include "image/file_io.h"
#include "mount/program.h"

namespace cim::working {
namespace {

struct IdRange {
  std::uint64_t start;
  std::uint64_t count;
};

// The ids that `table`, see subuid(5), gives to this user: the first range of them.
std::optional<IdRange> granted_ids(const char* table) {
  const passwd* const user = getpwuid(getuid());
  const std::string name = user == nullptr ? "" : user->pw_name;
  const std::string number = std::to_string(getuid());
  std::ifstream lines(table);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream fields(line);
    std::string owner;
    char colon;
    IdRange range;
    if (!std::getline(fields, owner, ':') || !(fields >> range.start >> colon >> range.count)) {
      continue;
    }
    if (owner == name || owner == number) return range;
  }
  return std::nullopt;
}

// Makes this user root, and the granted ids all others, in the namespace of the process `pid`.
bool map_granted_ids(const char* program, const char* table, unsigned own, pid_t pid) {
  const std::optional<IdRange> range = granted_ids(table);
  if (!range) return false;
  const auto result = run_program({program, std::to_string(pid), "0", std::to_string(own), "1", "1",
                                   std::to_string(range->start), std::to_string(range->count)});
  return result && result->exit_status == 0;
}

// Only a process outside of a namespace may give it ids. This one waits until its parent has
// entered one.
class IdMapper {
 public:
  IdMapper() {
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) throw system_error(errno, "pipe");
    const FileDescriptor read_end(ends[0]);
    write_end_ = FileDescriptor(ends[1]);
    const pid_t parent = getpid();
    child_ = fork();
    if (child_ < 0) throw system_error(errno, "fork");
    if (child_ == 0) {
      write_end_ = FileDescriptor();
      _exit(run(read_end.get(), parent));
    }
  }

  // Returns whether the namespace of this process has ids now.
  bool finish() {
    if (!write_all(write_end_.get(), "", 1)) return false;
    int status = 0;
    while (waitpid(child_, &status, 0) < 0) {
      if (errno != EINTR) return false;
    }
    return status == 0;
  }

 private:
  static int run(int fd, pid_t parent) noexcept {
    char go;
    if (read(fd, &go, 1) != 1) return 1;
    try {
      if (!granted_ids("/etc/subgid")) return 1;  // only both maps, or neither, make sense
      return map_granted_ids("newuidmap", "/etc/subuid", getuid(), parent) &&
                     map_granted_ids("newgidmap", "/etc/subgid", getgid(), parent)
                 ? 0
                 : 1;
    } catch (...) {
      return 1;
    }
  }

  FileDescriptor write_end_;
  pid_t child_ = -1;
};

void write_proc(const char* path, const std::string& text) {
  const FileDescriptor fd(open(path, O_WRONLY | O_CLOEXEC));
  if (!fd || !write_all(fd.get(), text.data(), text.size())) throw system_error(errno, path);
}

}  // namespace

void enter_user_namespace() {
  const uid_t uid = geteuid();
  const gid_t gid = getegid();
  IdMapper mapper;
  if (unshare(CLONE_NEWUSER) != 0) {
    throw Error(
        Errc::access_denied,
        "this system does not let ordinary users make a user namespace, in which they could "
        "mount something");
  }
  if (mapper.finish()) return;
  write_proc("/proc/self/uid_map", fmt::format("0 {} 1", uid));
  write_proc("/proc/self/setgroups", "deny");
  write_proc("/proc/self/gid_map", fmt::format("0 {} 1", gid));
}

}  // namespace cim::working
