// The signals that ask the daemon to end.
#pragma once

#include <signal.h>

#include "image/file_descriptor.h"

namespace cim {

// While it exists, SIGHUP, SIGINT and SIGTERM do nothing to the calling thread, and those that it
// starts, but make fd() readable, in child processes too; except those that were ignored, as by
// nohup(1). libfuse has handlers for the same, but then drops the requests that come after a
// signal: who waits for their answers, the prefetcher among them, could not end.
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
