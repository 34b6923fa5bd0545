#include "program/standard_streams.h"

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>

#include <cim/error.h>
#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

namespace cim {
namespace {

// What is written in one call.
class Message {
 public:
  void add(std::string_view part) noexcept {
    parts_.at(count_++) = {const_cast<char*>(part.data()), part.size()};
  }
  void write() const noexcept;

 private:
  std::array<iovec, 8> parts_;
  std::size_t count_ = 0;
};

void Message::write() const noexcept {
  sigset_t broken_pipe;
  sigset_t before;
  sigemptyset(&broken_pipe);
  sigaddset(&broken_pipe, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &broken_pipe, &before);
  if (writev(STDERR_FILENO, parts_.data(), static_cast<int>(count_)) < 0 && errno == EPIPE) {
    const timespec no_time = {};
    sigtimedwait(&broken_pipe, nullptr, &no_time);
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace

void open_missing_standard_streams() {
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    // open(2) returns the lowest free number, which is `fd`.
    const int wrong_way = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;
    if (open("/dev/null", wrong_way) != fd) throw system_error(errno, "/dev/null");
  }
}

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
    throw system_error(errno, "standard output");
  }
}

void finish_printing() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0) {
    throw system_error(errno, "standard output");
  }
}

void write_message(std::initializer_list<std::string_view> parts) noexcept {
  Message message;
  for (const std::string_view part : parts) message.add(part);
  message.write();
}

void write_line(std::initializer_list<std::string_view> parts) noexcept {
  Message line;
  line.add(program_invocation_short_name);
  line.add(": ");
  for (const std::string_view part : parts) line.add(part);
  line.add("\n");
  line.write();
}

}  // namespace cim
