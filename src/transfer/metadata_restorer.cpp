// The metadata of files of an image -> files on disk.
#include "transfer/metadata_restorer.h"

#include <array>
#include <cerrno>
#include <string_view>

#include <cim/error.h>
#include <fcntl.h>
#include <sys/xattr.h>

#include "posix/acl.h"

namespace cim::transfer {
namespace {

constexpr mode_t permission_bits = 07777;

std::string proc_path(int fd) { return "/proc/self/fd/" + std::to_string(fd); }

// fchmod(2) and fsetxattr(2) that also take O_PATH descriptors.
int change_mode(int fd, mode_t mode) {
  if (fchmod(fd, mode) == 0) return 0;
  return errno == EBADF ? chmod(proc_path(fd).c_str(), mode) : -1;
}

int set_xattr(int fd, const char* name, const std::string& value) {
  if (fsetxattr(fd, name, value.data(), value.size(), 0) == 0) return 0;
  if (errno != EBADF) return -1;
  return setxattr(proc_path(fd).c_str(), name, value.data(), value.size(), 0);
}

int remove_xattr(int fd, const char* name) {
  if (fremovexattr(fd, name) == 0) return 0;
  return errno == EBADF ? removexattr(proc_path(fd).c_str(), name) : -1;
}

// Only root may set these; everyone else leaves them out without a word, as owners.
bool is_privileged_xattr(std::string_view name) {
  return name.starts_with("trusted.") || name.starts_with("security.");
}

// Those that the file got from its directory on disk when it was made. Mostly there are none.
void drop_access_control_lists(int fd, mode_t mode) {
  remove_xattr(fd, posix::access_acl_xattr.data());
  if (S_ISDIR(mode)) remove_xattr(fd, posix::default_acl_xattr.data());
}

// A file whose owner could not be kept must not run with the rights of another one.
void set_mode(int fd, mode_t mode, bool owned, const std::string& path) {
  const mode_t dropped = owned ? 0 : S_ISUID | S_ISGID;
  if (change_mode(fd, mode & permission_bits & ~dropped) != 0) throw system_error(errno, path);
}

}  // namespace

// In this order, since changing the owner clears set-user-id, and read-only files refuse
// attributes.
void MetadataRestorer::apply(int fd, const File& file, const struct stat& status,
                             const std::string& path) {
  const bool owned = set_owner(fd, status, path);
  if (!S_ISLNK(status.st_mode)) drop_access_control_lists(fd, status.st_mode);
  set_xattrs(fd, file, path);
  if (!S_ISLNK(status.st_mode)) set_mode(fd, status.st_mode, owned, path);
  const std::array<timespec, 2> times = {status.st_atim, status.st_mtim};
  if (utimensat(fd, "", times.data(), AT_EMPTY_PATH) != 0) throw system_error(errno, path);
}

// Returns whether the file now has the owner of `status`.
bool MetadataRestorer::set_owner(int fd, const struct stat& status, const std::string& path) {
  if (!is_root_) return status.st_uid == defaults_.uid && status.st_gid == defaults_.gid;
  if (fchownat(fd, "", status.st_uid, status.st_gid, AT_EMPTY_PATH) == 0) return true;
  progress_.warn(system_error(errno, path + ": owner").what());
  return false;
}

void MetadataRestorer::set_xattrs(int fd, const File& file, const std::string& path) {
  for (const std::string& name : posix::list_xattrs(image_, file)) {
    if (!is_root_ && is_privileged_xattr(name)) continue;
    const auto value = posix::get_xattr(image_, file, name);
    if (value && set_xattr(fd, name.c_str(), *value) != 0) {
      progress_.warn(system_error(errno, path + ": extended attribute " + name).what());
    }
  }
}

}  // namespace cim::transfer
