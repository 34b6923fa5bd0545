// Takes the kernel's requests and has them answered.
#pragma once

#include <atomic>
#include <stop_token>

#include <fuse_lowlevel.h>

#include "image/file_descriptor.h"

namespace cim {

// What the threads share that answer the requests of a session. Unlike libfuse's own loop, it stops
// its threads only between two requests: none is lost. All functions may be called from many
// threads at once.
class RequestLoop {
 public:
  // Throws Error.
  explicit RequestLoop(fuse_session* session);

  // Answers requests in the calling thread, until `stop` and end(), or the end of the connection.
  // Returns 0, or the errno that ended it.
  int serve(const std::stop_token& stop);

  // Wakes everybody who waits in serve() or on ended().
  void end() noexcept;

  // Readable once end() was called or a serve() has returned.
  int ended() const noexcept { return ended_.get(); }

 private:
  int look_for(fuse_buf& request);

  fuse_session* session_;
  FileDescriptor ended_;                     // eventfd(2)
  std::atomic<bool> is_looked_for_ = false;  // by one thread at most
};

}  // namespace cim
