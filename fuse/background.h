// The daemon's way to the background.
#pragma once

#include "image/file_descriptor.h"

namespace cim {

// On construction, the program goes on in a child process, in a session of its own, in the root
// directory, and without standard streams. The process that was started stays until the child is
// ready, and then exits with success.
//
// If the child ends before, it says why itself, and that process exits with the same status. If a
// signal ends it, the constructor throws Error in that process.
class Background {
 public:
  // Call it while there is one thread. Throws Error if there can be no child.
  Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  // Gives standard error back for what is to be said, unless the child is ready.
  ~Background();

  void ready() noexcept;

 private:
  void leave_caller();

  FileDescriptor parent_;          // in the child
  FileDescriptor standard_error_;  // in the child, until it is ready
};

}  // namespace cim
