// Ownership of a file descriptor.
#pragma once

#include <cerrno>
#include <utility>

#include <cim/error.h>
#include <fcntl.h>
#include <unistd.h>

namespace cim {

// Closes its descriptor when destroyed. Move-only. Threads may share it while none moves it.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) noexcept : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(fd_, other.fd_);
    return *this;
  }
  ~FileDescriptor() {
    if (fd_ >= 0) ::close(fd_);
  }

  // Another descriptor of the same open file, with its locks. Throws Error.
  FileDescriptor duplicate() const {
    FileDescriptor copy(fcntl(fd_, F_DUPFD_CLOEXEC, 0));
    if (!copy) throw system_error(errno, "descriptor");
    return copy;
  }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }

 private:
  int fd_ = -1;
};

}  // namespace cim
