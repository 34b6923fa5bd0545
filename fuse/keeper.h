// A process that stays outside of the sandbox for what the daemon can no longer do there.
#pragma once

#include <functional>

#include "image/file_descriptor.h"

namespace cim {

// A child process that runs tasks when its parent asks for them, and one when that ends or dies.
class Keeper {
 public:
  struct Tasks {
    std::function<void()> at_request;  // whenever run() is called
    std::function<void()> at_end;      // when end() is called
    std::function<void()> at_death;    // when the thread that made the keeper ends without
  };

  // Starts the process. Of the parent's descriptors it keeps only `kept` and the standard streams.
  // Call it in the main thread, while there is no other. Throws Error.
  Keeper(const Tasks& tasks, int kept);

  // Has `at_request` run, and returns when it is done. For one thread at a time.
  void run() noexcept;

  // Has `at_end` run, and returns when it is done and the process ends. Call it once, last.
  void end() noexcept;

 private:
  void ask(char word) noexcept;

  FileDescriptor connection_;
};

}  // namespace cim
