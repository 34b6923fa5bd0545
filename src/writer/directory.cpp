#include "writer/directory.h"

#include <cerrno>
#include <chrono>
#include <thread>

#include <cim/error.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "image/region.h"

namespace cim {

FileDescriptor lock_directory(const std::string& directory) {
  FileDescriptor fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd && (errno == ENOENT || errno == ENOTDIR)) {
    throw Error(Errc::path_not_found, "no such directory").with_path(directory);
  }
  if (!fd || faccessat(fd.get(), ".", W_OK | X_OK, AT_EACCESS) != 0) {
    throw system_error(errno, directory);
  }
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK) throw system_error(errno, directory);
  throw Error(Errc::sharing_violation, "an image in it is being written already")
      .with_path(directory);
}

FileDescriptor lock_image(int directory_fd, const std::string& name, const std::string& path) {
  FileDescriptor fd = open_regular_file(directory_fd, name, path);
  // A daemon takes a moment to end after umount(8) has returned.
  for (int attempt = 0; attempt < 20; ++attempt) {
    if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
    if (errno != EWOULDBLOCK) throw system_error(errno, path);
    std::this_thread::sleep_for(std::chrono::milliseconds(25));
  }
  throw Error(Errc::sharing_violation, "is mounted").with_image(path);
}

void sync_directory(int fd, const std::string& directory) {
  if (fsync(fd) != 0) throw system_error(errno, directory);
}

}  // namespace cim
