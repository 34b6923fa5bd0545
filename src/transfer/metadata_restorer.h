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
  std::string reason;  // names what it is about
};

// Gives the owner of a new file or directory `rights`, which the umask, or a list that it inherited
// from its directory, may have withheld. `fd` may be open in any mode or with O_PATH. A failure
// shows when the rights are used.
void let_owner_in(int fd, mode_t rights);

// Gives files on disk the metadata of an image's files. Warns of anything that a file cannot get.
// For one thread at a time.
class MetadataRestorer {
 public:
  // Both must outlive it. `progress` gets the warnings.
  MetadataRestorer(const Image& image, Progress& progress) : image_(image), progress_(progress) {}

  // stat(2) of `file`. A file without an owner belongs to the caller.
  struct stat attributes(const File& file) const {
    return posix::attributes(image_, file, defaults_);
  }

  // Gives the directory `fd`, which is new and only its owner's, the rights to look into it that it
  // will have as `directory`, as far as they are sure not to be somebody else's until then. Only
  // its owner may change it.
  void let_readers_in(int fd, const File& directory) const;

  // Gives the file open at `fd`, in any mode or with O_PATH, the metadata of `file`, whose
  // attributes are `status`. `path` names it in messages. Throws Error as Image does. Returns the
  // alternate data streams that the caller must store or warn about.
  [[nodiscard]] std::vector<RefusedStream> apply(int fd, const File& file,
                                                 const struct stat& status,
                                                 const std::string& path);

  // The same for a file that has only a `status`.
  void apply(int fd, const struct stat& status, const std::string& path);

 private:
  bool has_access_control_list(const File& file) const;
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
