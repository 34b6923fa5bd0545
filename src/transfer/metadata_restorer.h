// The metadata of files of an image -> files on disk.
#pragma once

#include <string>

#include <cim/image.h>
#include <sys/stat.h>
#include <unistd.h>

#include "posix/attributes.h"
#include "transfer/progress.h"

namespace cim::transfer {

// Gives files on disk the metadata of files of an image. For one thread at a time.
class MetadataRestorer {
 public:
  // Both must outlive it. `progress` hears what a file cannot get.
  MetadataRestorer(const Image& image, Progress& progress) : image_(image), progress_(progress) {}

  // stat(2) of `file`. Files without an owner of their own get the caller.
  struct stat attributes(const File& file) const {
    return posix::attributes(image_, file, defaults_);
  }

  // Gives the file on disk that `fd` is open on, for anything or with O_PATH, the metadata of
  // `file`, whose attributes are `status`. `path` names it in messages. Throws Error as Image does,
  // and with the errno of what failed.
  void apply(int fd, const File& file, const struct stat& status, const std::string& path);

 private:
  bool set_owner(int fd, const struct stat& status, const std::string& path);
  void set_xattrs(int fd, const File& file, const std::string& path);

  const Image& image_;
  Progress& progress_;
  const posix::MountDefaults defaults_ = {.uid = geteuid(), .gid = getegid()};
  const bool is_root_ = geteuid() == 0;
};

}  // namespace cim::transfer
