// The signals that ask the daemon to end.
#pragma once

#include <signal.h>

#include "image/file_descriptor.h"

namespace cim {

// While it exists, SIGHUP, SIGINT and SIGTERM only make fd() readable, in the calling thread, the
// threads that it starts and child processes. Signals that were ignored, as under nohup(1), stay
// ignored. libfuse's own handlers would drop the requests that come after a signal; then whoever
// waits for an answer, such as the prefetcher, could never end.
class EndingSignals {
 public:
  // Throws Error.
  EndingSignals();
  EndingSignals(const EndingSignals&) = delete;
  EndingSignals& operator=(const EndingSignals&) = delete;
  ~EndingSignals();

  int fd() const noexcept { return fd_.get(); }

 private:
  sigset_t before_;
  FileDescriptor fd_;  // signalfd(2)
};

}  // namespace cim
