// Something to be done at the end by a process that stayed outside of the sandbox.
#pragma once

#include <functional>

#include "image/file_descriptor.h"

namespace cim {

// A child process that waits for a word of its parent or for its death, runs the task for that, and
// ends.
class Keeper {
 public:
  struct Tasks {
    std::function<void()> at_request;  // once run() is called
    std::function<void()> at_death;    // once the thread that made the keeper has ended without
  };

  // Starts the process, which keeps no descriptor of the parent's but `kept` and the standard ones.
  // Call it in the main thread, while there is no other. Throws Error.
  Keeper(const Tasks& tasks, int kept);

  // Has the task for it run. Returns when it is done. To be called once, by any thread.
  void run() noexcept;

 private:
  FileDescriptor connection_;
};

}  // namespace cim
