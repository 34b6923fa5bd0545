// See background.h.
#include "background.h"

#include <cerrno>
#include <cstring>
#include <utility>

#include <cim/error.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"

namespace cim {
namespace {

[[noreturn]] void throw_failed(int error) {
  throw system_error(error, "cannot go to the background");
}

// Whether the other end says that it is ready, before it closes.
bool hears_ready(int connection) {
  char word;
  ssize_t size = 0;
  do {
    size = read(connection, &word, 1);
  } while (size < 0 && errno == EINTR);
  return size == 1;
}

[[noreturn]] void wait_for(pid_t child, int connection) {
  if (hears_ready(connection)) _exit(0);
  int status = 0;
  pid_t ended = 0;
  do {
    ended = waitpid(child, &status, 0);
  } while (ended < 0 && errno == EINTR);
  if (ended == child && WIFEXITED(status)) _exit(WEXITSTATUS(status));
  const char* const reason = ended == child ? strsignal(WTERMSIG(status)) : "for an unknown reason";
  throw Error(Errc::io_error, fmt::format("the daemon ended before it was ready: {}", reason));
}

}  // namespace

Background::Background() {
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) throw_failed(errno);
  FileDescriptor parent_end(ends[0]);
  FileDescriptor child_end(ends[1]);
  const pid_t child = fork();
  if (child < 0) throw_failed(errno);
  if (child > 0) {
    child_end = FileDescriptor();
    wait_for(child, parent_end.get());
  }
  parent_ = std::move(child_end);
  leave_caller();
}

void Background::leave_caller() {
  standard_error_ = FileDescriptor(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0));
  const FileDescriptor null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!standard_error_ || !null || setsid() < 0 || chdir("/") != 0) throw_failed(errno);
  for (const int stream : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) dup2(null.get(), stream);
  log_to_syslog();
}

Background::~Background() {
  if (!standard_error_) return;
  // What the sandbox allows: dup(2) returns the lowest free number.
  close(STDERR_FILENO);
  if (dup(standard_error_.get()) == STDERR_FILENO) log_to_standard_error();
}

void Background::ready() noexcept {
  standard_error_ = FileDescriptor();
  constexpr char word = 'r';
  // If nobody waits any more, nobody has to know.
  send(parent_.get(), &word, 1, MSG_NOSIGNAL);
  parent_ = FileDescriptor();
}

}  // namespace cim
