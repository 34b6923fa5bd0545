// Metadata that files get in an image instead of their own.
#include "transfer/metadata_overrides.h"

#include <algorithm>
#include <tuple>

#include <sys/stat.h>
#include <unistd.h>

namespace cim::transfer {
namespace {

bool is_later(const timespec& a, const timespec& b) {
  return std::tie(a.tv_sec, a.tv_nsec) > std::tie(b.tv_sec, b.tv_nsec);
}

}  // namespace

void apply(const MetadataOverrides& overrides, posix::LinuxMetadata& metadata) {
  struct stat& status = metadata.status;
  if (overrides.owner) status.st_uid = *overrides.owner;
  if (overrides.group) status.st_gid = *overrides.group;
  if (overrides.mtime) {
    status.st_mtim = *overrides.mtime;
  } else if (overrides.latest_mtime && is_later(status.st_mtim, *overrides.latest_mtime)) {
    status.st_mtim = *overrides.latest_mtime;
  }
}

posix::LinuxMetadata new_directory_metadata(const MetadataOverrides& overrides) {
  posix::LinuxMetadata metadata;
  struct stat& status = metadata.status;
  status.st_mode = S_IFDIR | S_IRWXU | S_IRGRP | S_IXGRP | S_IROTH | S_IXOTH;
  status.st_uid = geteuid();
  status.st_gid = getegid();
  if (overrides.latest_mtime) {
    status.st_mtim = *overrides.latest_mtime;
  } else {
    clock_gettime(CLOCK_REALTIME, &status.st_mtim);
  }
  apply(overrides, metadata);
  return metadata;
}

}  // namespace cim::transfer
