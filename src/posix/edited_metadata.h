// The metadata of a file in an image, changed as Linux changes that of a file. May be called from
// many threads at once.
#pragma once

#include <ctime>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <cim/image.h>
#include <cim/metadata.h>
#include <sys/types.h>

#include "format/extended_attributes.h"

namespace cim::posix {

// Unset members leave a file as it is.
struct MetadataEdit {
  std::optional<uid_t> owner;
  std::optional<gid_t> group;
  std::function<mode_t(mode_t)> mode;
  std::optional<timespec> mtime;
  std::optional<std::pair<std::string, std::optional<std::string>>> xattr;  // no value: it goes
};

// Metadata that owns its buffers, but for those that it shares with the image. It cannot be moved,
// as its views point into it.
class EditedMetadata {
 public:
  // What `edit` makes of the metadata of `file`; everything else of it, for Windows too, stays. A
  // new owner or group takes from a file what gives others rights, as chown(2) does: set-ID bits
  // and capabilities. `image` must outlive this. Throws Error: limit_exceeded if the extended
  // attributes do not fit the format, file_not_found if the one to remove is not there, corrupt.
  EditedMetadata(const Image& image, const File& file, const MetadataEdit& edit);
  EditedMetadata(const EditedMetadata&) = delete;
  EditedMetadata& operator=(const EditedMetadata&) = delete;

  const Metadata& get() const noexcept { return metadata_; }

 private:
  format::EaBuilder extended_attributes_;
  Metadata metadata_;
};

}  // namespace cim::posix
