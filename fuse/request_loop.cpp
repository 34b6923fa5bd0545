#include "request_loop.h"

#include <cerrno>
#include <chrono>
#include <cstdlib>

#include <cim/error.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include "checked_answers.h"

namespace cim {
namespace {

// Lets a thread wait for a request, or for the end. A request wakes one of those who wait.
class Waiter {
 public:
  Waiter(int connection, int ended) : events_(epoll_create1(EPOLL_CLOEXEC)) {
    if (!events_) throw system_error(errno, "epoll");
    add(connection, EPOLLIN | EPOLLEXCLUSIVE);
    add(ended, EPOLLIN);
  }

  void wait() const noexcept {
    epoll_event event;
    epoll_wait(events_.get(), &event, 1, -1);
  }

 private:
  void add(int fd, std::uint32_t events) const {
    epoll_event event = {.events = events, .data = {}};
    if (epoll_ctl(events_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
      throw system_error(errno, "epoll");
    }
  }

  FileDescriptor events_;
};

// How long to look for the next request of somebody who lists directories, or opens file after
// file. Most come within this time, and waking up for each would take about as long as answering
// it.
constexpr std::chrono::microseconds patience(100);

// Whether the next request may come that soon. Reads that no lookup precedes are those of files
// that have been listed; there, the prefetcher has better use for the processor.
bool is_soon_followed(std::uint32_t opcode, std::uint32_t previous) noexcept {
  return opcode == FUSE_READDIRPLUS || opcode == FUSE_READDIR || opcode == FUSE_LOOKUP ||
         (opcode == FUSE_READ && previous == FUSE_LOOKUP);
}

// The buffer of a thread, which libfuse allocates at its first request.
struct Request : fuse_buf {
  Request() : fuse_buf() {}
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  ~Request() { std::free(mem); }

  std::uint32_t opcode() const noexcept { return static_cast<const fuse_in_header*>(mem)->opcode; }
};

}  // namespace

RequestLoop::RequestLoop(fuse_session* session)
    : session_(session), ended_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  if (!ended_) throw system_error(errno, "eventfd");
  const int connection = fuse_session_fd(session);
  if (fcntl(connection, F_SETFL, fcntl(connection, F_GETFL) | O_NONBLOCK) != 0) {
    throw system_error(errno, "connection to the kernel");
  }
  check_answers(session);
}

void RequestLoop::end() noexcept { eventfd_write(ended_.get(), 1); }

// Looks for a request without sleeping, for a short while. Returns as fuse_session_receive_buf(3).
int RequestLoop::look_for(fuse_buf& request) {
  if (is_looked_for_.exchange(true)) return -EAGAIN;
  int result = -EAGAIN;
  const auto end = std::chrono::steady_clock::now() + patience;
  while (result == -EAGAIN && std::chrono::steady_clock::now() < end) {
    sched_yield();  // whoever has something to do goes first
    result = fuse_session_receive_buf(session_, &request);
  }
  is_looked_for_ = false;
  return result;
}

int RequestLoop::serve(const std::stop_token& stop) {
  const Waiter waiter(fuse_session_fd(session_), ended_.get());
  Request request;
  int result = 0;
  bool expects_more = false;
  std::uint32_t previous = 0;  // the opcode of the request before
  while (!stop.stop_requested()) {
    result = expects_more ? look_for(request) : fuse_session_receive_buf(session_, &request);
    expects_more = false;
    if (result == -EAGAIN || result == -EINTR) {
      waiter.wait();
      result = 0;
      continue;
    }
    if (result <= 0) break;
    expects_more = is_soon_followed(request.opcode(), previous);
    previous = request.opcode();
    process_request(session_, request);
    result = 0;
  }
  end();
  return -result;
}

}  // namespace cim
