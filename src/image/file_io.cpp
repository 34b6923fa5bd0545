#include "image/file_io.h"

#include <cerrno>

#include <cim/error.h>
#include <unistd.h>

namespace cim {
namespace {

// `write` is called with what is left to write, its size, and how much is written.
template <typename Write>
bool write_whole(const void* data, std::size_t size, Write write) noexcept {
  for (std::size_t done = 0; done < size;) {
    const ssize_t n = write(static_cast<const char*>(data) + done, size - done, done);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    done += static_cast<std::size_t>(n);
  }
  return true;
}

}  // namespace

std::size_t read_at(int fd, void* buffer, std::size_t size, std::uint64_t position,
                    const std::string& path) {
  std::size_t done = 0;
  while (done < size) {
    const ssize_t n = pread(fd, static_cast<char*>(buffer) + done, size - done,
                            static_cast<off_t>(position + done));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw system_error(errno, path);
    if (n == 0) break;
    done += static_cast<std::size_t>(n);
  }
  return done;
}

bool write_at(int fd, const void* data, std::size_t size, std::uint64_t position) noexcept {
  return write_whole(data, size, [&](const char* rest, std::size_t length, std::size_t done) {
    return pwrite(fd, rest, length, static_cast<off_t>(position + done));
  });
}

bool write_all(int fd, const void* data, std::size_t size) noexcept {
  return write_whole(data, size, [fd](const char* rest, std::size_t length, std::size_t) {
    return write(fd, rest, length);
  });
}

}  // namespace cim
