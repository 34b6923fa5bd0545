// Mount points of volumes. Each call asks the kernel what is mounted; nothing is kept here.
#include "capi/volume.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <optional>
#include <set>
#include <utility>

#include <boost/filesystem.hpp>
#include <cim/image.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/guid.h"
#include "image/canonical_path.h"
#include "image/file_descriptor.h"
#include "mount/mount.h"

namespace cim::capi {

namespace {

namespace fs = boost::filesystem;

constexpr const char* root_variable = "CIMFS_MOUNT_ROOT";

// The directory of all mount points, which may not exist yet. Uses secure_getenv(3) so that no
// caller of a privileged program can make it create directories wherever it likes.
std::string configured_mount_root() {
  if (const char* root = secure_getenv(root_variable); root != nullptr && *root != 0) return root;
  if (geteuid() == 0) return "/run/cimfs";
  if (const char* runtime = secure_getenv("XDG_RUNTIME_DIR"); runtime != nullptr && *runtime != 0) {
    return std::string(runtime) + "/cimfs";
  }
  throw Error(Errc::access_denied,
              "no directory for mounts: neither CIMFS_MOUNT_ROOT nor XDG_RUNTIME_DIR is set");
}

void make_directory(const std::string& path, mode_t mode) {
  if (mkdir(path.c_str(), mode) != 0 && errno != EEXIST) throw system_error(errno, path);
}

// Others may pass through root's directory to its mounts, but not read it: that would let them lock
// it as MountRoot does.
mode_t mount_root_mode() { return geteuid() == 0 ? 0711 : 0700; }

void make_mount_root(const fs::path& root) {
  boost::system::error_code error;
  fs::create_directories(root.parent_path(), error);
  if (error) throw system_error(error.value(), root.parent_path().string());
  make_directory(root.string(), mount_root_mode());
}

// The directory of all mount points, opened and locked: while it lives, no other process mounts or
// unmounts volumes there, so what the mount table says stays true.
class MountRoot {
 public:
  // Nothing if it does not exist.
  static std::optional<MountRoot> open() {
    const std::string path = configured_mount_root();
    FileDescriptor lock(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!lock && errno == ENOENT) return std::nullopt;
    if (!lock) throw system_error(errno, path);
    while (flock(lock.get(), LOCK_EX) != 0) {
      if (errno != EINTR) throw system_error(errno, path);
    }
    return MountRoot(canonical_path(path), std::move(lock));
  }

  // Creates it if it does not exist.
  static MountRoot make() {
    make_mount_root(fs::absolute(configured_mount_root()));
    if (auto root = open()) return std::move(*root);
    throw Error(Errc::path_not_found, "was removed meanwhile").with_path(configured_mount_root());
  }

  // An absolute path. Windows names volumes like this.
  std::string mount_point(const format::Guid& id) const {
    return path_ + "/Volume{" + format::to_string(id) + "}";
  }

 private:
  MountRoot(std::string path, FileDescriptor lock)
      : path_(std::move(path)), lock_(std::move(lock)) {}

  std::string path_;  // as the mount table has it: absolute and without symbolic links
  FileDescriptor lock_;
};

bool is_mounted(const std::string& mount_point) {
  const auto mounts = mounted_images();
  return std::any_of(mounts.begin(), mounts.end(),
                     [&](const MountedImage& mount) { return mount.mount_point == mount_point; });
}

[[noreturn]] void throw_not_mounted(const format::Guid& id) {
  throw Error(Errc::file_not_found, "no volume {" + format::to_string(id) + "} is mounted");
}

void require_directory(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) {
    if (errno != ENOENT) throw system_error(errno, path);
    throw Error(Errc::path_not_found, "no such directory").with_path(path);
  }
  if (!S_ISDIR(status.st_mode)) throw system_error(ENOTDIR, path);
}

// Throws Error (invalid_argument) unless `image` needs all region files that the `layers` need.
void check_layers(const Image& image, std::span<const std::string> layers) {
  std::set<std::string> sets;
  for (const RegionSetInfo& set : image.region_sets()) sets.insert(set.id);
  for (const std::string& layer : layers) {
    for (const RegionSetInfo& set : Image(layer).region_sets()) {
      if (sets.contains(set.id)) continue;
      throw Error(Errc::invalid_argument, "was not merged of " + layer).with_image(image.path());
    }
  }
}

}  // namespace

void mount_volume(const std::string& directory, const std::string& name, const format::Guid& id,
                  bool child_only, std::span<const std::string> layers) {
  require_directory(directory);
  const std::string image = directory + "/" + name;
  // The daemon would refuse a bad image too, but can only say so in words.
  {
    const Image opened(image);
    if (child_only) opened.files_of_last_fork();
    check_layers(opened, layers);
  }

  const MountRoot root = MountRoot::make();
  const std::string mount_point = root.mount_point(id);
  if (is_mounted(mount_point)) {
    throw Error(Errc::already_exists, "a volume is mounted there").with_path(mount_point);
  }
  make_directory(mount_point, 0700);
  try {
    mount_image(image, mount_point,
                child_only ? std::vector<std::string>{"child_only"} : std::vector<std::string>{});
  } catch (...) {
    rmdir(mount_point.c_str());
    throw;
  }
}

void unmount_volume(const format::Guid& id) {
  const auto root = MountRoot::open();
  if (!root) throw_not_mounted(id);
  const std::string mount_point = root->mount_point(id);
  if (!is_mounted(mount_point)) throw_not_mounted(id);
  unmount_image(mount_point);
  rmdir(mount_point.c_str());  // an empty directory left behind would do no harm
}

std::string volume_path(const format::Guid& id) {
  const auto root = MountRoot::open();
  if (!root) throw_not_mounted(id);
  std::string mount_point = root->mount_point(id);
  if (!is_mounted(mount_point)) throw_not_mounted(id);
  return mount_point;
}

}  // namespace cim::capi
