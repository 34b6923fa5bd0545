// Keeps a mounted image from being overwritten.
#pragma once

#include <string>

#include "image/file_descriptor.h"

namespace cim {

// A shared flock(2) on an image's filesystem file. A Writer that commits over an image takes an
// exclusive one and fails while this is held. The lock belongs to the open file: it survives
// fork(2) and ends with the last process that has the file open. Threads may make locks at once.
class ImageLock {
 public:
  // Waits for a commit in progress, then locks the file at `path`. Throws Error with the errno of
  // the failed call.
  explicit ImageLock(const std::string& path);

 private:
  FileDescriptor file_;
};

}  // namespace cim
