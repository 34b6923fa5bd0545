// Metadata that files get in an image instead of their own. May be called from many threads at
// once.
#pragma once

#include <ctime>
#include <optional>

#include <sys/types.h>

#include "posix/linux_metadata.h"

namespace cim::transfer {

// Unset members leave files as they are.
struct MetadataOverrides {
  std::optional<uid_t> owner;
  std::optional<gid_t> group;
  std::optional<timespec> mtime;         // of all files
  std::optional<timespec> latest_mtime;  // later times become this; no effect beside `mtime`
};

// Applies `overrides` to `metadata`.
void apply(const MetadataOverrides& overrides, posix::LinuxMetadata& metadata);

// The metadata of a directory with no counterpart on disk or in an archive: as mkdir(2) would make
// it for this process with the common mask 022, with `overrides` applied. Its time is now, unless
// `overrides` has either of its times.
posix::LinuxMetadata new_directory_metadata(const MetadataOverrides& overrides);

}  // namespace cim::transfer
