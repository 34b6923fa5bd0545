// The directories from the start of a walk down to its current place.
#include "transfer/directory_chain.h"

#include <cerrno>

#include <cim/error.h>
#include <fcntl.h>
#include <sys/stat.h>

namespace cim::transfer {
namespace {

// Trees that people make are not this deep.
constexpr std::size_t max_open = 32;

}  // namespace

void DirectoryChain::enter(FileDescriptor directory) {
  levels_.push_back({.fd = std::move(directory)});
  if (levels_.size() > max_open) close(levels_[levels_.size() - 1 - max_open]);
}

FileDescriptor DirectoryChain::leave(const std::string& path) {
  FileDescriptor left = std::move(levels_.back().fd);
  levels_.pop_back();
  if (!levels_.empty() && !levels_.back().fd) reopen(levels_.back(), left.get(), path);
  return left;
}

void DirectoryChain::close(Level& level) {
  if (!level.fd) return;
  struct stat status;
  if (fstat(level.fd.get(), &status) != 0) throw system_error(errno, "a directory");
  level = {.fd = FileDescriptor(), .device = status.st_dev, .inode = status.st_ino};
}

void DirectoryChain::reopen(Level& level, int child, const std::string& path) {
  FileDescriptor fd(openat(child, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  struct stat status;
  if (!fd || fstat(fd.get(), &status) != 0) throw system_error(errno, path);
  if (status.st_dev != level.device || status.st_ino != level.inode) {
    throw Error(Errc::io_error, "a directory in it has been moved away").with_path(path);
  }
  level.fd = std::move(fd);
}

}  // namespace cim::transfer
