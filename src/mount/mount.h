// Mounts images through the cimfs daemon, and lists what is mounted. May be called from many
// threads at once.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mount/mount_table.h"

namespace cim {

struct MountedImage : Mount {
  std::string image;  // absolute path of the filesystem file
};

// The cimfs mounts that this process sees, from /proc/self/mountinfo (proc_pid_mountinfo(5)).
std::vector<MountedImage> mounted_images();

// The topmost of them at the canonical path `mount_point`; nothing if there is none. Does not look
// at the mount point itself: somebody may already be unmounting it, and would find it busy.
std::optional<MountedImage> mounted_image_at(const std::string& mount_point);

// Starts the daemon for `image` on the existing directory `mount_point` and returns once the mount
// answers. The daemon is the `cimfs` that run_program() finds, or else the installed one. Throws
// Error with what the daemon printed: file_not_found, corrupt, version_not_supported or unsupported
// for a bad image, access_denied (to the image, or to mounting), out_of_memory, io_error.
void mount_image(const std::string& image, const std::string& mount_point,
                 const std::vector<std::string>& options);

// Unmounts `mount`: umount2(2) as root, fusermount3 otherwise. If `lazy`, it may be busy: it
// disappears at once, and ends when it is no longer in use. Throws Error: sharing_violation if the
// mount is busy, access_denied if another user has mounted it.
void unmount(const Mount& mount, bool lazy = false);

// Unmounts what is mounted at `mount_point`, and waits until the image can be changed unless
// `lazy`. Throws Error as unmount() does, and file_not_found if no image is mounted there.
void unmount_image(const std::string& mount_point, bool lazy = false);

}  // namespace cim
