// Bytes that are read once, from start to end.
#include "transfer/input.h"

#include <algorithm>
#include <cerrno>

#include <cim/error.h>
#include <unistd.h>

#include "image/file_io.h"

namespace cim::transfer {
namespace {

constexpr std::size_t buffer_size = 1 << 20;

std::string_view text(const std::unique_ptr<std::byte[]>& buffer, std::size_t size) {
  return {reinterpret_cast<const char*>(buffer.get()), size};
}

}  // namespace

void Input::drain() {
  while (!next().empty()) continue;
}

FileInput::FileInput(int fd)
    : fd_(fd), buffer_(std::make_unique_for_overwrite<std::byte[]>(buffer_size)) {}

std::string_view FileInput::next() {
  for (;;) {
    const ssize_t length = ::read(fd_, buffer_.get(), buffer_size);
    if (length >= 0) return text(buffer_, static_cast<std::size_t>(length));
    if (errno != EINTR) throw system_error(errno);
  }
}

void FileInput::drain() {
  if (lseek(fd_, 0, SEEK_CUR) >= 0) return;  // a file has no writer waiting at the other end
  Input::drain();
}

FilePartInput::FilePartInput(int fd, std::uint64_t position, std::uint64_t size)
    : fd_(fd),
      position_(position),
      rest_(size),
      buffer_(std::make_unique_for_overwrite<std::byte[]>(buffer_size)) {}

std::string_view FilePartInput::next() {
  if (rest_ == 0) return {};
  const std::size_t length =
      read_at(fd_, buffer_.get(), std::min<std::uint64_t>(rest_, buffer_size), position_, {});
  if (length == 0) throw Error(Errc::corrupt, "is cut short");
  position_ += length;
  rest_ -= length;
  return text(buffer_, length);
}

}  // namespace cim::transfer
