// Volumes: images that CimMountImage has mounted under a GUID. May be called from many threads at
// once; a lock on the directory of the mount points makes calls of all processes wait for each
// other.
#pragma once

#include <span>
#include <string>

#include "format/layout.h"

namespace cim::capi {

// Mounts the image `name` of `directory`, or with `child_only` what its last fork added, as the
// volume `id`. If there are `layers`, paths of images, the image must have been merged of them.
// Throws Error: path_not_found (no such directory), invalid_argument (it was not merged of them),
// already_exists (the volume is mounted), access_denied (also if there is no place for mount
// points), and what Image's constructor, Image::files_of_last_fork() and mount_image() throw.
void mount_volume(const std::string& directory, const std::string& name, const format::Guid& id,
                  bool child_only, std::span<const std::string> layers = {});

// Unmounts the volume `id`. Throws what unmount_image() throws.
void unmount_volume(const format::Guid& id);

// Where the volume `id` is mounted, an absolute path. Throws Error (file_not_found) if it is not.
std::string volume_path(const format::Guid& id);

}  // namespace cim::capi
