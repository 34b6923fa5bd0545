#include "keeper.h"

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <cim/error.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

namespace cim {
namespace {

// The kernel sends this when the parent's main thread ends, even if its other threads are stuck.
// Nobody else sends it.
int death_signal() { return SIGRTMIN; }

// Whether the other end sends something before it closes.
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

// A signal that ends the parent must not end us first.
void block_signals() {
  sigset_t all;
  sigfillset(&all);
  sigprocmask(SIG_SETMASK, &all, nullptr);
}

// A descriptor that becomes readable when the parent dies.
FileDescriptor watch_death_of(pid_t parent) {
  prctl(PR_SET_PDEATHSIG, death_signal());
  if (getppid() != parent) raise(death_signal());
  sigset_t death;
  sigemptyset(&death);
  sigaddset(&death, death_signal());
  return FileDescriptor(signalfd(-1, &death, SFD_CLOEXEC));
}

[[noreturn]] void keep(const Keeper::Tasks& tasks, pid_t parent, int connection,
                       int kept) noexcept {
  block_signals();
  close_all_but(connection, kept);
  const FileDescriptor death = watch_death_of(parent);
  pollfd sources[] = {{.fd = connection, .events = POLLIN, .revents = 0},
                      {.fd = death.get(), .events = POLLIN, .revents = 0}};
  poll(sources, std::size(sources), -1);
  if (sources[0].revents != 0 && hear_from(connection)) {
    tasks.at_request();
  } else {
    tasks.at_death();
  }
  _exit(0);
}

}  // namespace

Keeper::Keeper(const Tasks& tasks, int kept) {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    throw system_error(errno, "socketpair");
  }
  connection_ = FileDescriptor(ends[0]);
  const FileDescriptor child_end(ends[1]);
  const pid_t parent = getpid();
  const pid_t child = fork();
  if (child < 0) throw system_error(errno, "fork");
  if (child == 0) keep(tasks, parent, child_end.get(), kept);
}

void Keeper::run() noexcept {
  if (send(connection_.get(), "", 1, MSG_NOSIGNAL) == 1) hear_from(connection_.get());
}

}  // namespace cim
