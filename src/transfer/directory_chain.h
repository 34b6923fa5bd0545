// The directories from the start of a walk down to its current place.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "image/file_descriptor.h"

namespace cim::transfer {

// A tree can be deeper than the number of descriptors a process may have, so only the last
// directories are kept open. Those above are found again through the `..` of the one below, and
// only if it leads to the same directory as before. For one thread at a time.
class DirectoryChain {
 public:
  // Goes down into `directory`, which is below the current one. Throws Error with the errno of the
  // failed call.
  void enter(FileDescriptor directory);

  // Goes up to the previous directory, if there is one; `path` names it in errors. Returns the one
  // that was left. Throws Error if the previous one cannot be opened again; io_error if it has been
  // moved.
  FileDescriptor leave(const std::string& path);

  // The directory that was entered last and not left yet.
  int current() const noexcept { return levels_.back().fd.get(); }

 private:
  struct Level {
    FileDescriptor fd;  // none: closed for now
    dev_t device = 0;   // which directory it was
    ino_t inode = 0;
  };

  static void close(Level& level);
  static void reopen(Level& level, int child, const std::string& path);

  std::vector<Level> levels_;
};

}  // namespace cim::transfer
