// A process that stays outside of the sandbox for the daemon's last task.
#pragma once

#include <functional>

#include "image/file_descriptor.h"

namespace cim {

// A child process that waits until its parent asks for its task or dies, runs the task for that
// case, and exits.
class Keeper {
 public:
  struct Tasks {
    std::function<void()> at_request;  // when run() is called
    std::function<void()> at_death;    // when the thread that made the keeper ends without
  };

  // Starts the process. Of the parent's descriptors it keeps only `kept` and the standard streams.
  // Call it in the main thread, while there is no other. Throws Error.
  Keeper(const Tasks& tasks, int kept);

  // Has `at_request` run, and returns when it is done. Call it once, in any thread.
  void run() noexcept;

 private:
  FileDescriptor connection_;
};

}  // namespace cim
