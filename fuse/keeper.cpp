#include "keeper.h"

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <cim/error.h>
#include <sys/socket.h>
#include <unistd.h>

namespace cim {
namespace {

// Whether the other end says something before it is gone.
bool hear_from(int connection) {
  char word;
  ssize_t size = 0;
  do {
    size = read(connection, &word, 1);
  } while (size < 0 && errno == EINTR);
  return size == 1;
}

void close_all_but(int one, int other) {
  const auto [low, high] = std::minmax(one, other);
  close_range(STDERR_FILENO + 1, low - 1, 0);
  close_range(low + 1, high - 1, 0);
  close_range(high + 1, ~0U, 0);
}

[[noreturn]] void keep(const std::function<void()>& task, int connection, int kept) noexcept {
  // What ends the parent must not end us before.
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
  close_all_but(connection, kept);
  if (hear_from(connection)) task();
  _exit(0);
}

}  // namespace

Keeper::Keeper(const std::function<void()>& task, int kept) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    throw system_error(errno, "socketpair");
  }
  connection_ = FileDescriptor(ends[0]);
  const FileDescriptor child_end(ends[1]);
  const pid_t child = fork();
  if (child < 0) throw system_error(errno, "fork");
  if (child == 0) keep(task, child_end.get(), kept);
}

void Keeper::run() noexcept {
  if (send(connection_.get(), "", 1, MSG_NOSIGNAL) == 1) hear_from(connection_.get());
}

}  // namespace cim
