// Starts the cimfs daemon, and finds its mounts.
#include "mount/mount.h"

#include <algorithm>
#include <cerrno>
#include <optional>
#include <string_view>

#include <cim/error.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <unistd.h>

#include "image/canonical_path.h"
#include "image/file_descriptor.h"
#include "mount/exit_status.h"
#include "mount/mount_table.h"
#include "mount/patience.h"
#include "mount/program.h"

namespace cim {
namespace {

constexpr const char* daemon_name = "cimfs";
constexpr const char* installed_daemon = CIMFS_BINDIR "/cimfs";
constexpr std::string_view file_system_type = "fuse.cimfs";

// The image that `mount` is of; nothing if it is of something else.
std::optional<MountedImage> as_image(const Mount& mount) {
  if (mount.type != file_system_type) return std::nullopt;
  return MountedImage{mount, mount.source};
}

std::string join(const std::vector<std::string>& parts) {
  std::string joined;
  for (const std::string& part : parts) joined += (joined.empty() ? "" : ",") + part;
  return joined;
}

bool is_mounted(const std::string& image) {
  const std::vector<MountedImage> mounts = mounted_images();
  return std::any_of(mounts.begin(), mounts.end(),
                     [&](const MountedImage& mount) { return mount.image == image; });
}

bool is_mounted_at(const std::string& image, const std::string& mount_point) {
  const std::optional<MountedImage> mount = mounted_image_at(canonical_path(mount_point));
  return mount && mount->image == canonical_path(image);
}

ProgramResult run_daemon(std::vector<std::string> arguments) {
  if (auto result = run_program(arguments)) return *result;
  arguments.front() = installed_daemon;
  if (auto result = run_program(arguments)) return *result;
  throw Error(Errc::io_error, fmt::format("neither in $PATH nor installed as {}", installed_daemon))
      .with_path(daemon_name);
}

// What the daemon says of `image`, which it names first if that is what is wrong.
std::string reason_of_daemon(std::string_view message, const std::string& image) {
  if (message.starts_with(image + ": ")) message.remove_prefix(image.size() + 2);
  return message.empty() ? fmt::format("{} failed without a word", daemon_name)
                         : std::string(message);
}

void unmount_as_root(const std::string& mount_point, bool lazy) {
  const int flags = UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0);
  if (umount2(mount_point.c_str(), flags) != 0) throw system_error(errno);
}

bool is_still_there(const Mount& mount) {
  const std::vector<Mount> mounts = mount_table();
  return std::ranges::any_of(mounts, [&](const Mount& other) { return other.id == mount.id; });
}

void unmount_as_user(const Mount& mount, bool lazy) {
  if (mount.user != geteuid()) {
    throw Error(Errc::access_denied, "another user has mounted it, who can unmount it, or root");
  }
  const auto result = run_program({"fusermount3", lazy ? "-uz" : "-u", "--", mount.mount_point});
  if (!result) {
    throw Error(Errc::io_error, "not in $PATH; it unmounts for ordinary users")
        .with_path("fusermount3");
  }
  if (result->exit_status ? *result->exit_status == 0 : !is_still_there(mount)) return;
  // fusermount3 has no exit status of its own for a busy mount.
  if (result->message.find("busy") != std::string::npos) throw system_error(EBUSY);
  throw Error(Errc::access_denied, result->message);
}

// The daemon closes the image a moment after the kernel has removed the mount. Waits for that, so
// that the image can be replaced as soon as unmount_image() has returned.
void wait_until_released(const std::string& image) {
  if (is_mounted(image)) return;  // elsewhere
  const FileDescriptor file(open(image.c_str(), O_RDONLY | O_CLOEXEC));
  wait_patiently([&] { return flock(file.get(), LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK; });
}

}  // namespace

std::vector<MountedImage> mounted_images() {
  std::vector<MountedImage> images;
  for (const Mount& mount : mount_table()) {
    if (auto image = as_image(mount)) images.push_back(*std::move(image));
  }
  return images;
}

void mount_image(const std::string& image, const std::string& mount_point,
                 const std::vector<std::string>& options) {
  std::vector<std::string> arguments = {daemon_name};
  if (!options.empty()) arguments.insert(arguments.end(), {"-o", join(options)});
  arguments.insert(arguments.end(), {"--", image, mount_point});
  const ProgramResult result = run_daemon(std::move(arguments));
  const std::optional<int> status = result.exit_status;
  if (status ? *status == 0 : is_mounted_at(image, mount_point)) return;
  throw Error(status ? error_of_exit_status(*status) : Errc::io_error,
              reason_of_daemon(result.message, image))
      .with_image(image);
}

std::optional<MountedImage> mounted_image_at(const std::string& mount_point) {
  const std::vector<MountedImage> mounts = mounted_images();
  const auto found = std::find_if(mounts.rbegin(), mounts.rend(), [&](const MountedImage& mount) {
    return mount.mount_point == mount_point;
  });
  if (found == mounts.rend()) return std::nullopt;
  return *found;
}

void unmount(const Mount& mount, bool lazy) {
  geteuid() == 0 ? unmount_as_root(mount.mount_point, lazy) : unmount_as_user(mount, lazy);
}

void unmount_image(const std::string& mount_point, bool lazy) {
  const std::optional<MountedImage> mount = mounted_image_at(canonical_path(mount_point));
  if (!mount) {
    throw Error(Errc::file_not_found, "no image is mounted here").with_path(mount_point);
  }
  try {
    unmount(*mount, lazy);
  } catch (const Error& error) {
    throw error.with_path(mount_point);
  }
  if (!lazy) wait_until_released(mount->image);
}

}  // namespace cim
