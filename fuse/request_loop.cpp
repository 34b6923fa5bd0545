#include "request_loop.h"

#include <cerrno>
#include <chrono>
#include <cstdlib>

#include <cim/error.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <poll.h>
#include <sched.h>
#include <sys/eventfd.h>

#include "checked_answers.h"

namespace cim {
namespace {

using Clock = std::chrono::steady_clock;

// How long to poll for the next request of somebody who lists directories or opens file after file.
// Most come within this time, and waking up takes about as long as answering.
constexpr std::chrono::microseconds patience(100);

// A request that takes this long, or at most twice as long, no longer holds up others.
constexpr std::chrono::milliseconds minding_interval(5);

// After this many requests that were already waiting, another thread helps.
constexpr unsigned max_backlog = 4;

// Whether the next request may come that soon. A read without a lookup before it is of a file that
// has been listed; then the prefetcher has better use for the processor.
bool is_soon_followed(std::uint32_t opcode, std::uint32_t previous) noexcept {
  return opcode == FUSE_READDIRPLUS || opcode == FUSE_READDIR || opcode == FUSE_LOOKUP ||
         (opcode == FUSE_READ && previous == FUSE_LOOKUP);
}

}  // namespace

// The buffer of a thread, which libfuse allocates at its first request.
struct RequestLoop::Request : fuse_buf {
  explicit Request(RequestLoop& its_loop) : fuse_buf(), loop(its_loop) {}
  Request(const Request&) = delete;
  Request& operator=(const Request&) = delete;
  ~Request() { std::free(mem); }

  std::uint32_t opcode() const noexcept { return static_cast<const fuse_in_header*>(mem)->opcode; }

  RequestLoop& loop;
};

thread_local const RequestLoop::Request* RequestLoop::current_ = nullptr;

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

// Waits until nobody watches, or until `stop`.
void RequestLoop::take_watch(const Request& request, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  if (unwatched_.wait(lock, stop, [this] { return watcher_ == nullptr; })) watcher_ = &request;
}

void RequestLoop::leave_watch(const Request& request) noexcept {
  if (!watches(request)) return;
  {
    const std::lock_guard lock(mutex_);
    if (!watches(request)) return;
    watcher_ = nullptr;
  }
  unwatched_.notify_one();
}

void RequestLoop::let_others_watch() noexcept {
  if (current_ != nullptr) current_->loop.leave_watch(*current_);
}

void RequestLoop::note_begin(const Request& request) {
  current_ = &request;
  if (!used_) used_ = true;  // looks first: the threads share it
  if (!watches(request)) return;
  answered_ = &request;
  ++taken_;
  if (is_minded_) return;
  {
    const std::lock_guard lock(mutex_);
    is_minded_ = true;
  }
  busy_.notify_one();
}

void RequestLoop::note_end(const Request& request) noexcept {
  current_ = nullptr;
  const Request* expected = &request;
  answered_.compare_exchange_strong(expected, nullptr);
}

void RequestLoop::mind(std::stop_token stop) {
  std::unique_lock lock(mutex_);
  while (busy_.wait(lock, stop, [this] { return is_minded_.load(); }) && !stop.stop_requested()) {
    const std::uint64_t taken = taken_;
    busy_.wait_for(lock, stop, minding_interval, [] { return false; });
    if (watcher_ != nullptr && answered_ == watcher_ && taken_ == taken) {
      watcher_ = nullptr;
      unwatched_.notify_one();
      continue;
    }
    is_minded_ = false;
    if (taken_ != taken) is_minded_ = true;  // checked last; note_begin() goes in reverse
  }
}

// Sleeps until there is a request or the loop ends.
void RequestLoop::sleep() const noexcept {
  pollfd sources[] = {{.fd = fuse_session_fd(session_), .events = POLLIN, .revents = 0},
                      {.fd = ended_.get(), .events = POLLIN, .revents = 0}};
  poll(sources, std::size(sources), -1);
}

int RequestLoop::serve(const std::stop_token& stop) {
  Request request(*this);
  Clock::time_point patient_until;
  unsigned backlog = 0;
  std::uint32_t previous = 0;  // the opcode of the request before
  int error = 0;
  while (!stop.stop_requested()) {
    const int result = fuse_session_receive_buf(session_, &request);
    if (result == -EAGAIN || result == -EINTR) {
      backlog = 0;
      if (!watches(request)) {
        take_watch(request, stop);
      } else if (Clock::now() < patient_until) {
        sched_yield();  // whoever has something to do goes first
      } else {
        sleep();
      }
      continue;
    }
    if (result <= 0) {
      error = -result;
      break;
    }
    if (++backlog > max_backlog) leave_watch(request);
    note_begin(request);
    process_request(session_, request);
    note_end(request);
    if (is_soon_followed(request.opcode(), previous)) patient_until = Clock::now() + patience;
    previous = request.opcode();
  }
  leave_watch(request);
  end();
  return error;
}

}  // namespace cim
