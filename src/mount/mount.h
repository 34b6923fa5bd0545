// Mounts images through the cimfs daemon, and lists what is mounted. May be called from many
// threads at once.
#pragma once

#include <string>
#include <vector>

namespace cim {

struct MountedImage {
  std::string image;        // absolute path of the filesystem file
  std::string mount_point;  // absolute path
  std::string device;       // MAJOR:MINOR, as in /sys/class/bdi
  int id;                   // of the mount, as in the kernel's other tables
};

// The cimfs mounts that this process sees, from /proc/self/mountinfo (proc_pid_mountinfo(5)).
std::vector<MountedImage> mounted_images();

// Starts the daemon for `image` on the existing directory `mount_point` and returns once the mount
// answers. The daemon is the `cimfs` that run_program() finds, or else the installed one. Throws
// Error with what the daemon printed: file_not_found, corrupt, version_not_supported or unsupported
// for a bad image, access_denied (to the image, or to mounting), out_of_memory, io_error.
void mount_image(const std::string& image, const std::string& mount_point,
                 const std::vector<std::string>& options);

// Unmounts `mount_point`: umount2(2) as root, fusermount3 otherwise. Throws Error: file_not_found
// if no image is mounted there, sharing_violation if the mount is busy.
void unmount_image(const std::string& mount_point);

}  // namespace cim
