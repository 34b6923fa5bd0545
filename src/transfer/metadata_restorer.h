// The metadata of files of an image -> files on disk.
#pragma once

#include <string>
#include <vector>

#include <cim/image.h>
#include <sys/stat.h>
#include <unistd.h>

#include "posix/attributes.h"
#include "transfer/progress.h"

namespace cim::transfer {

// An alternate data stream that could not become an extended attribute.
struct RefusedStream {
  std::string name;
  Stream stream;
  std::string reason;  // with what it is about
};

// Gives files on disk the metadata of files of an image. What a file cannot get is warned about.
// For one thread at a time.
class MetadataRestorer {
 public:
  // Both must outlive it. `progress` gets the warnings.
  MetadataRestorer(const Image& image, Progress& progress) : image_(image), progress_(progress) {}

  // stat(2) of `file`. Files without an owner of their own get the caller.
  struct stat attributes(const File& file) const {
    return posix::attributes(image_, file, defaults_);
  }

  // Gives the file on disk that `fd` is open on, for anything or with O_PATH, the metadata of
  // `file`, whose attributes are `status`. `path` names it in messages. Throws Error as Image does.
  // Returns the alternate data streams that are still to be stored, or warned about.
  [[nodiscard]] std::vector<RefusedStream> apply(int fd, const File& file,
                                                 const struct stat& status,
                                                 const std::string& path);

  // The same for a file that has no more than `status`.
  void apply(int fd, const struct stat& status, const std::string& path);

 private:
  bool set_owner(int fd, const struct stat& status, const std::string& path);
  void set_stored_xattrs(int fd, const File& file, const std::string& path);
  std::vector<RefusedStream> set_stream_xattrs(int fd, const File& file);
  void set_mode_and_times(int fd, const struct stat& status, bool owned, const std::string& path);
  void warn(const std::string& path, const std::string& object);

  const Image& image_;
  Progress& progress_;
  const posix::MountDefaults defaults_ = {.uid = geteuid(), .gid = getegid()};
  const bool is_root_ = geteuid() == 0;
};

}  // namespace cim::transfer
