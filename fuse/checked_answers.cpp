#include "checked_answers.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <new>

#include <cim/error.h>
#include <fcntl.h>
#include <linux/fuse.h>
#include <sys/uio.h>
#include <unistd.h>

#include "image/mapping_fault.h"
#include "log.h"

namespace cim {
namespace {

// Holds back answers that were made from unreadable metadata or that lack data. libfuse sends all
// answers of a thread through it.
class Answer {
 public:
  // Call before each attempt to process a request; `attempt` counts from 0.
  void begin(unsigned attempt) noexcept {
    watch_.begin();
    answering_ = true;
    last_attempt_ = attempt + 1 == max_attempts;
    repeat_ = false;
    min_size_ = 0;
  }

  // Call after the attempt. Returns whether another is needed.
  bool end() noexcept {
    answering_ = false;
    return repeat_;
  }

  // See expect_data().
  void expect(std::size_t size, const std::string& subject) noexcept {
    min_size_ = sizeof(fuse_out_header) + size;
    subject_ = &subject;
  }

  // Whether everything read for the answer is right. What the prefetcher sends answers no request.
  bool is_sound() const noexcept {
    return !answering_ || watch_.outcome() == FaultWatch::Outcome::sound;
  }

  // Whether an answer of `size` bytes, header included, may be sent.
  bool is_complete(std::size_t size) const noexcept { return is_sound() && size >= min_size_; }

  // Call instead of sending an answer that may not be sent: fails the request `unique`, or has it
  // processed again.
  void replace(int connection, std::uint64_t unique) noexcept {
    const FaultWatch::Outcome outcome = watch_.outcome();
    if (outcome == FaultWatch::Outcome::disturbed && !last_attempt_) {
      repeat_ = true;
      return;
    }
    complain(outcome);
    const fuse_out_header failure = {.len = sizeof(failure), .error = -EIO, .unique = unique};
    if (write(connection, &failure, sizeof(failure)) < 0) return;  // interrupted: nobody is waiting
  }

  static Answer& of_this_thread() noexcept {
    thread_local Answer answer;
    return answer;
  }

  static constexpr unsigned max_attempts = 100;

 private:
  void complain(FaultWatch::Outcome outcome) const noexcept {
    try {
      log_error_once(outcome == FaultWatch::Outcome::sound
                         ? *subject_ + ": a region file has become shorter"
                         : FaultWatch::complaint());
    } catch (const std::bad_alloc&) {
      log_error("a file cannot be read, and there is not enough memory to say which");
    }
  }

  FaultWatch watch_;
  bool answering_ = false;
  bool last_attempt_ = false;
  bool repeat_ = false;
  std::size_t min_size_ = 0;              // bytes, header included
  const std::string* subject_ = nullptr;  // the image whose data is expected
};

fuse_out_header header_of(const void* answer) noexcept {
  fuse_out_header header;
  std::memcpy(&header, answer, sizeof(header));
  return header;
}

// C calls the functions from here on, so they must not throw.

ssize_t send_parts(int connection, iovec* parts, int count, void*) noexcept {
  Answer& answer = Answer::of_this_thread();
  std::size_t size = 0;
  for (int i = 0; i < count; ++i) size += parts[i].iov_len;
  const fuse_out_header header = header_of(parts[0].iov_base);
  const bool may_be_sent = header.error != 0 ? answer.is_sound() : answer.is_complete(size);
  if (may_be_sent) return writev(connection, parts, count);
  answer.replace(connection, header.unique);
  return static_cast<ssize_t>(size);
}

// Reads and discards `size` bytes of a pipe that holds as many.
void drain(int pipe, std::size_t size) noexcept {
  std::array<char, 4096> buffer;
  while (size > 0) {
    const ssize_t length = read(pipe, buffer.data(), std::min(buffer.size(), size));
    if (length <= 0) return;
    size -= static_cast<std::size_t>(length);
  }
}

ssize_t send_pipe(int pipe, off_t* from, int connection, off_t* to, std::size_t size,
                  unsigned flags, void*) noexcept {
  Answer& answer = Answer::of_this_thread();
  if (answer.is_complete(size)) {
    const ssize_t sent = splice(pipe, from, connection, to, size, flags);
    // The reader was interrupted and no longer waits. The pipe is empty all the same.
    return sent < 0 && errno == ENOENT ? static_cast<ssize_t>(size) : sent;
  }
  fuse_out_header header;
  if (read(pipe, &header, sizeof(header)) != sizeof(header)) return -1;
  drain(pipe, size - sizeof(header));
  answer.replace(connection, header.unique);
  return static_cast<ssize_t>(size);
}

ssize_t receive(int connection, void* buffer, std::size_t size, void*) noexcept {
  return read(connection, buffer, size);
}

constexpr fuse_custom_io checked_io = {
    .writev = send_parts, .read = receive, .splice_receive = nullptr, .splice_send = send_pipe};

}  // namespace

void expect_data(std::size_t size, const std::string& image) noexcept {
  Answer::of_this_thread().expect(size, image);
}

bool is_sound() noexcept { return Answer::of_this_thread().is_sound(); }

void check_answers(fuse_session* session) {
  const int error = fuse_session_custom_io(session, &checked_io, fuse_session_fd(session));
  if (error != 0) throw system_error(-error, "connection to the kernel");
}

void process_request(fuse_session* session, const fuse_buf& request) {
  Answer& answer = Answer::of_this_thread();
  unsigned attempt = 0;
  do {
    answer.begin(attempt++);
    fuse_session_process_buf(session, &request);
  } while (answer.end());
}

}  // namespace cim
