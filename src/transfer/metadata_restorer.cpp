// The metadata of files of an image -> files on disk.
#include "transfer/metadata_restorer.h"

#include <algorithm>
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

// fchmod(2) and fsetxattr(2) for O_PATH descriptors too.
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

// Only root may set these; for others they are silently left out, like owners.
bool is_privileged_xattr(std::string_view name) {
  return name.starts_with("trusted.") || name.starts_with("security.");
}

// Drops the lists that the file inherited from its directory on disk. Mostly there are none.
void drop_access_control_lists(int fd, mode_t mode) {
  if (S_ISLNK(mode)) return;
  remove_xattr(fd, posix::access_acl_xattr.data());
  if (S_ISDIR(mode)) remove_xattr(fd, posix::default_acl_xattr.data());
}

}  // namespace

void let_owner_in(int fd, mode_t rights) {
  struct stat now;
  if (fstat(fd, &now) != 0 || (now.st_mode & rights) == rights) return;
  change_mode(fd, (now.st_mode & permission_bits) | rights);
}

// A failure matters to nobody: the directory gets all its metadata later.
void MetadataRestorer::let_readers_in(int fd, const File& directory) const {
  constexpr mode_t others = S_IROTH | S_IXOTH;
  constexpr unsigned group_shift = 3;
  const struct stat status = attributes(directory);
  struct stat now;
  if (fstat(fd, &now) != 0 || has_access_control_list(directory)) return;
  // Files in it get their group by set-group-id, which chmod(2) may take away.
  if (!is_root_ && (now.st_mode & S_ISGID) != 0) return;
  mode_t for_others = status.st_mode & others;
  mode_t for_group = status.st_mode >> group_shift & others;
  // With the owner and group that it has now, people are in other classes than later.
  const bool stays = !is_root_ || (now.st_uid == status.st_uid && now.st_gid == status.st_gid);
  if (!stays) for_others = for_group = for_others & for_group;
  drop_access_control_lists(fd, status.st_mode);
  fchmod(fd, S_IRWXU | for_group << group_shift | for_others);
}

bool MetadataRestorer::has_access_control_list(const File& file) const {
  return std::ranges::any_of(posix::stored_xattrs(image_, file), [](const auto& xattr) {
    return xattr.first == posix::access_acl_xattr;
  });
}

// The order matters: changing the owner clears set-user-id, and read-only files refuse attributes.
std::vector<RefusedStream> MetadataRestorer::apply(int fd, const File& file,
                                                   const struct stat& status,
                                                   const std::string& path) {
  const bool owned = set_owner(fd, status, path);
  drop_access_control_lists(fd, status.st_mode);
  if (!S_ISLNK(status.st_mode)) let_owner_in(fd, S_IWUSR);
  set_stored_xattrs(fd, file, path);
  std::vector<RefusedStream> refused = set_stream_xattrs(fd, file);
  set_mode_and_times(fd, status, owned, path);
  return refused;
}

void MetadataRestorer::apply(int fd, const struct stat& status, const std::string& path) {
  const bool owned = set_owner(fd, status, path);
  drop_access_control_lists(fd, status.st_mode);
  set_mode_and_times(fd, status, owned, path);
}

// Returns whether the file now has the owner of `status`.
bool MetadataRestorer::set_owner(int fd, const struct stat& status, const std::string& path) {
  if (!is_root_) return status.st_uid == defaults_.uid && status.st_gid == defaults_.gid;
  if (fchownat(fd, "", status.st_uid, status.st_gid, AT_EMPTY_PATH) == 0) return true;
  warn(path, "owner");
  return false;
}

void MetadataRestorer::set_stored_xattrs(int fd, const File& file, const std::string& path) {
  for (const auto& [name, value] : posix::stored_xattrs(image_, file)) {
    if (!is_root_ && is_privileged_xattr(name)) continue;
    if (set_xattr(fd, name.c_str(), value) != 0) warn(path, "extended attribute " + name);
  }
}

std::vector<RefusedStream> MetadataRestorer::set_stream_xattrs(int fd, const File& file) {
  std::vector<RefusedStream> refused;
  for (const posix::StreamXattr& stream : posix::stream_xattrs(image_, file)) {
    if (stream.obstacle != posix::StreamXattr::Obstacle::none) {
      refused.push_back({stream.name, stream.stream, posix::describe_obstacle(stream)});
      continue;
    }
    const std::string name = posix::xattr_name(stream);
    if (set_xattr(fd, name.c_str(), posix::xattr_value(image_, stream)) == 0) continue;
    const Error error = system_error(errno).with_object("extended attribute " + name);
    refused.push_back({stream.name, stream.stream, error.what()});
  }
  return refused;
}

// A file that could not keep its owner must not run with the rights of another one.
void MetadataRestorer::set_mode_and_times(int fd, const struct stat& status, bool owned,
                                          const std::string& path) {
  const mode_t dropped = owned ? 0 : S_ISUID | S_ISGID;
  const mode_t mode = status.st_mode & permission_bits & ~dropped;
  if (!S_ISLNK(status.st_mode) && change_mode(fd, mode) != 0) warn(path, "mode");
  const std::array<timespec, 2> times = {status.st_atim, status.st_mtim};
  if (utimensat(fd, "", times.data(), AT_EMPTY_PATH) != 0) warn(path, "times");
}

// The reason is errno.
void MetadataRestorer::warn(const std::string& path, const std::string& object) {
  progress_.warn(system_error(errno, path).with_object(object).what() + std::string("; left out"));
}

}  // namespace cim::transfer
