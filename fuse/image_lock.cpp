// Locks an image's filesystem file.
#include "image_lock.h"

#include <cerrno>

#include <cim/error.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

namespace cim {
namespace {

FileDescriptor open_and_lock(const std::string& path) {
  // O_NONBLOCK: do not wait for the writer of a FIFO, which is then refused as not an image.
  FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!file) throw system_error(errno, path);
  while (flock(file.get(), LOCK_SH) != 0) {
    if (errno != EINTR) throw system_error(errno, path);
  }
  return file;
}

bool is_still_at(const FileDescriptor& file, const std::string& path) {
  struct stat locked;
  struct stat current;
  if (fstat(file.get(), &locked) != 0 || stat(path.c_str(), &current) != 0) return false;
  return locked.st_dev == current.st_dev && locked.st_ino == current.st_ino;
}

}  // namespace

ImageLock::ImageLock(const std::string& path) {
  // A commit may have replaced the file before it was locked.
  do {
    file_ = open_and_lock(path);
  } while (!is_still_at(file_, path));
}

}  // namespace cim
