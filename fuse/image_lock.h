// Keeps a mounted image from being overwritten.
#pragma once

#include <string>

#include "image/file_descriptor.h"

namespace cim {

// A shared flock(2) on an image's filesystem file. A Writer that commits over an image takes an
// exclusive one and fails while this is held. It belongs to the open file, so it survives fork(2)
// and goes with the last process that holds it, however that ends. Threads may make one each at
// once.
class ImageLock {
 public:
  // Waits for a commit that is under way, then locks what `path` names. Throws Error with the errno
  // of the failed call.
  explicit ImageLock(const std::string& path);

 private:
  FileDescriptor file_;
};

}  // namespace cim
