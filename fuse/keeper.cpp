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

// What the parent sends. After each, it waits for the same word, or for the end of the connection.
constexpr char run_word = 'r';
constexpr char end_word = 'e';
constexpr char nothing = '\0';

void say_to(int connection, char word) { send(connection, &word, 1, MSG_NOSIGNAL); }

// The next word from the other end; `nothing` if it closes.
char hear_from(int connection) {
  char word = nothing;
  ssize_t size = 0;
  do {
    size = read(connection, &word, 1);
  } while (size < 0 && errno == EINTR);
  return size == 1 ? word : nothing;
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
  char word;
  do {
    poll(sources, std::size(sources), -1);
    word = sources[0].revents != 0 ? hear_from(connection) : nothing;
    if (word == run_word) {
      tasks.at_request();
      say_to(connection, word);
    }
  } while (word == run_word);
  word == end_word ? tasks.at_end() : tasks.at_death();
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

void Keeper::run() noexcept { ask(run_word); }

void Keeper::end() noexcept { ask(end_word); }

void Keeper::ask(char word) noexcept {
  say_to(connection_.get(), word);
  hear_from(connection_.get());
}

}  // namespace cim
