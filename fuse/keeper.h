// Something to be done at the end by a process that stayed outside of the sandbox.
#pragma once

#include <functional>

#include "image/file_descriptor.h"

namespace cim {

// A child process that waits for a word of its parent, runs the task that it was made for, and
// ends. It ends without, if the parent ends without a word.
class Keeper {
 public:
  // Starts the process, which keeps no descriptor of the parent's but `kept` and the standard ones.
  // Call it while there is one thread. Throws Error.
  Keeper(const std::function<void()>& task, int kept);

  // Has the task run. Returns when it is done. To be called once, by any thread.
  void run() noexcept;

 private:
  FileDescriptor connection_;
};

}  // namespace cim
