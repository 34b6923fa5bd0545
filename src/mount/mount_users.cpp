// Looks through /proc.
#include "mount/mount_users.h"

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string_view>

#include <boost/filesystem.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

namespace cim {
namespace {

namespace fs = boost::filesystem;

bool is_below(std::string_view path, const std::string& mount_point) {
  return path.starts_with(mount_point) &&
         (path.size() == mount_point.size() || path[mount_point.size()] == '/');
}

bool leads_below(const fs::path& link, const std::string& mount_point) {
  boost::system::error_code error;
  return is_below(fs::read_symlink(link, error).native(), mount_point);
}

// Whether the descriptor is open for writing, by its file in /proc/PID/fdinfo.
bool is_open_for_writing(const std::string& path) {
  std::ifstream info(path);
  for (std::string key, value; info >> key && std::getline(info, value);) {
    if (key != "flags:") continue;
    return (std::strtoul(value.c_str(), nullptr, 8) & O_ACCMODE) != O_RDONLY;
  }
  return false;
}

// A process that ends, or belongs to somebody else, looks as if it used nothing.
class Process {
 public:
  explicit Process(const fs::path& directory) : directory_(directory) {}

  // Returns whether it uses `mount_point`, and sets `writes`.
  bool uses(const std::string& mount_point, bool& writes) const {
    bool found = false;
    for (const char* link : {"cwd", "root", "exe"}) {
      found |= leads_below(directory_ / link, mount_point);
    }
    boost::system::error_code error;
    for (fs::directory_iterator fd(directory_ / "fd", error), end; fd != end; fd.increment(error)) {
      if (error) break;
      if (!leads_below(fd->path(), mount_point)) continue;
      found = true;
      writes |= is_open_for_writing((directory_ / "fdinfo" / fd->path().filename()).native());
    }
    return maps(mount_point, writes) || found;
  }

  std::string command() const {
    std::ifstream file((directory_ / "comm").native());
    std::string name;
    std::getline(file, name);
    return name;
  }

 private:
  // 7f0a-7f0b rw-s 00000000 00:2f 12   /mnt/file
  bool maps(const std::string& mount_point, bool& writes) const {
    std::ifstream file((directory_ / "maps").native());
    bool found = false;
    for (std::string line; std::getline(file, line);) {
      const std::size_t path = line.find('/');
      if (path == line.npos || !is_below(std::string_view(line).substr(path), mount_point))
        continue;
      found = true;
      writes |= line.find("rw-s ") != line.npos;
    }
    return found;
  }

  fs::path directory_;
};

}  // namespace

std::vector<MountUser> find_mount_users(const std::string& mount_point) {
  std::vector<MountUser> users;
  boost::system::error_code error;
  for (fs::directory_iterator entry("/proc", error), end; entry != end; entry.increment(error)) {
    if (error) break;
    const pid_t pid = std::atoi(entry->path().filename().c_str());
    if (pid <= 0 || pid == getpid()) continue;
    const Process process(entry->path());
    bool writes = false;
    if (process.uses(mount_point, writes)) users.push_back({pid, process.command(), writes});
  }
  std::ranges::sort(users, {}, &MountUser::pid);
  return users;
}

std::string describe_users(const std::vector<MountUser>& users) {
  if (users.empty()) return "in use";
  std::string text = "in use by ";
  for (const MountUser& user : users) {
    if (&user != &users.front()) text += ", ";
    text += fmt::format("{} ({})", user.command, user.pid);
  }
  return text;
}

}  // namespace cim
