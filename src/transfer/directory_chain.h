// The directories from where a walk started down to where it is.
#pragma once

#include <string>
#include <vector>

#include <sys/types.h>

#include "image/file_descriptor.h"

namespace cim::transfer {

// A tree can be deeper than a process may have descriptors, so only the last directories are kept
// open. Those above are found again through the `..` of the one below, and only if that leads to
// the same directory as before. For one thread at a time.
class DirectoryChain {
 public:
  // Goes down into `directory`, which is below the current one. Throws Error with the errno of what
  // failed.
  void enter(FileDescriptor directory);

  // Goes up to the directory before, if there is one, which `path` names in errors. Returns the one
  // that was left. Throws Error if the other cannot be opened again; io_error if it has been moved.
  FileDescriptor leave(const std::string& path);

  // The directory that was entered last and not left yet.
  int current() const noexcept { return levels_.back().fd.get(); }

 private:
  struct Level {
    FileDescriptor fd;  // none: closed for the time being
    dev_t device = 0;   // which directory it was
    ino_t inode = 0;
  };

  static void close(Level& level);
  static void reopen(Level& level, int child, const std::string& path);

  std::vector<Level> levels_;
};

}  // namespace cim::transfer
