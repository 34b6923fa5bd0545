// Takes the kernel's requests and has them answered.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <stop_token>

#include <fuse_lowlevel.h>

#include "image/file_descriptor.h"

namespace cim {

// What the threads that answer a session's requests share. Unlike libfuse's own loop, it stops
// threads only between requests, so none is lost. All functions may be called from many threads at
// once.
//
// One thread watches the connection and answers the requests that it takes, so the kernel never
// wakes a thread for a request that another is about to take. It hands over the watch before
// anything that may take long, and when requests come faster than it answers them.
class RequestLoop {
 public:
  // Throws Error.
  explicit RequestLoop(fuse_session* session);

  // Answers requests in the calling thread, until `stop` is requested and end() is called, or the
  // connection ends. Returns 0, or the errno that ended it.
  int serve(const std::stop_token& stop);

  // Until `stop`, hands over the watch whenever the watching thread is held up.
  void mind(std::stop_token stop);

  // Wakes everybody who waits for a request or on ended().
  void end() noexcept;

  // Readable once end() was called or a serve() has returned.
  int ended() const noexcept { return ended_.get(); }

  // Whether a request has come since the last call, or at all.
  bool take_used() noexcept { return used_.exchange(false); }

  // Call before the calling thread's answer waits for a disk or moves much data. Does nothing in a
  // thread that does not watch.
  static void let_others_watch() noexcept;

 private:
  struct Request;

  bool watches(const Request& request) const noexcept { return watcher_ == &request; }
  void take_watch(const Request& request, const std::stop_token& stop);
  void leave_watch(const Request& request) noexcept;
  void note_begin(const Request& request);
  void note_end(const Request& request) noexcept;
  void sleep() const noexcept;

  static thread_local const Request* current_;  // what the thread is answering

  fuse_session* session_;
  FileDescriptor ended_;  // eventfd(2)

  std::mutex mutex_;
  std::condition_variable_any unwatched_;
  std::condition_variable_any busy_;
  std::atomic<const Request*> watcher_ = nullptr;   // changed with the mutex held
  std::atomic<const Request*> answered_ = nullptr;  // by the watching thread
  std::atomic<std::uint64_t> taken_ = 0;            // requests, by watching threads
  std::atomic<bool> is_minded_ = false;             // changed with the mutex held
  std::atomic<bool> used_ = false;
};

}  // namespace cim
