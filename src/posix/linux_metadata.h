// How an image stores a Linux file: the reverse of posix/attributes.h. May be called from many
// threads at once; values may be shared while no thread changes them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include <cim/metadata.h>
#include <sys/stat.h>

#include "format/extended_attributes.h"

namespace cim::posix {

// The source of an image's Metadata of a file.
struct LinuxMetadata {
  struct stat status = {};                                  // mode, uid, gid, rdev, st_mtim
  std::string symlink_target;                               // of a symbolic link
  std::vector<std::pair<std::string, std::string>> xattrs;  // sorted by name
};

// Metadata that owns its buffers. It cannot be moved, as its views point into it.
//
// All four FILETIMEs are the modification time: equal trees shall make equal images, but reading a
// file changes its access time, and a copy has other change and birth times.
class EncodedMetadata {
 public:
  // Throws Error: limit_exceeded if the extended attributes or the target do not fit the format;
  // the message names the attribute, and the caller adds the file.
  explicit EncodedMetadata(const LinuxMetadata& source);
  EncodedMetadata(const EncodedMetadata&) = delete;
  EncodedMetadata& operator=(const EncodedMetadata&) = delete;

  const Metadata& get() const noexcept { return metadata_; }

 private:
  format::EaBuilder extended_attributes_;
  std::vector<std::byte> reparse_data_;
  Metadata metadata_;
};

// Reads the metadata of the open file `fd`, which may be an O_PATH descriptor. `subject` names the
// file in errors. Throws Error with the errno of the failed call.
LinuxMetadata read_metadata(int fd, const std::string& subject);

}  // namespace cim::posix
