#include "working/working_tree.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <cim/error.h>
#include <cim/writer.h>
#include <fmt/format.h>

#include "image/canonical_path.h"
#include "mount/mount.h"
#include "mount/mount_users.h"
#include "mount/overlay.h"
#include "mount/patience.h"
#include "transfer/upper_import.h"
#include "writer/directory.h"

namespace cim::working {
namespace {

constexpr std::string_view lower_name = "/lower";

std::string parent_of(const std::string& path) {
  return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1));
}

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool is_below(std::string_view path, std::string_view directory) {
  if (directory == "/") return true;
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

// The mount of the image below `changes`; nothing if there is none.
std::optional<MountedImage> lower_mount(const ChangesDirectory& changes) {
  return mounted_image_at(canonical_path(changes.lower()));
}

std::optional<Mount> overlay_at(const std::string& mount_point) {
  std::optional<Mount> mount = mount_at(mount_point);
  if (mount && !is_overlay(*mount)) mount.reset();
  return mount;
}

void require_available(const ChangesDirectory& changes) {
  const OverlayKind available = available_overlay_kind();
  if (changes.kind() == available) return;
  throw Error(Errc::unsupported,
              fmt::format("these changes were made with an overlay of the kind '{}', and here it "
                          "would be '{}'",
                          to_string(changes.kind()), to_string(available)))
      .with_path(changes.path());
}

// fuse-overlayfs leaves the mount of the image a moment after its own is gone.
void unmount_lower(const ChangesDirectory& changes, bool lazy) {
  std::optional<Error> failure;
  wait_patiently([&] {
    try {
      failure.reset();
      unmount_image(changes.lower(), lazy);
    } catch (const Error& error) {
      failure = error;
    }
    return !failure || failure->code() != Errc::sharing_violation;
  });
  if (failure) throw Error(*failure);
}

// Ends a mount of the image that nobody sees an overlay on any more.
void end_abandoned_mount(const ChangesDirectory& changes) {
  const std::optional<MountedImage> lower = lower_mount(changes);
  if (!lower) return;
  const std::optional<std::string> mount_point = changes.mount_point();
  if (mount_point && overlay_at(*mount_point)) {
    throw Error(Errc::sharing_violation, fmt::format("is mounted on {} already", *mount_point))
        .with_image(lower->image);
  }
  unmount_lower(changes, false);
}

// An overlay that was taken away while somebody used it is in no table any more, but its daemon
// keeps the image locked.
void require_unused(const ChangesDirectory& changes, const std::string& image) {
  const std::vector<MountedImage> mounts = mounted_images();
  if (std::ranges::find(mounts, image, &MountedImage::image) != mounts.end()) return;  // elsewhere
  const std::string directory = parent_of(image);
  const FileDescriptor fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) throw system_error(errno, directory);
  try {
    lock_image(fd.get(), name_of(image), image);
  } catch (const Error& error) {
    if (error.code() != Errc::sharing_violation) throw;
    throw Error(Errc::sharing_violation, "an overlay on it is still in use")
        .with_path(changes.path());
  }
}

Error busy(const std::string& mount_point, bool only_writers) {
  std::vector<MountUser> users = find_mount_users(mount_point);
  if (only_writers) std::erase_if(users, [](const MountUser& user) { return !user.writes; });
  return Error(Errc::sharing_violation, describe_users(users)).with_path(mount_point);
}

}  // namespace

WorkingTree WorkingTree::open(const std::string& image, const std::string& changes) {
  const std::string base = canonical_path(image);
  std::optional<ChangesDirectory> found = ChangesDirectory::find(changes);
  if (!found) {
    return {base, ChangesDirectory::create(changes, base, available_overlay_kind())};
  }
  end_abandoned_mount(*found);
  require_unused(*found, base);
  if (found->are_in(base)) {
    found->remove();
    found.reset();
    return open(image, changes);
  }
  found->require_base(base);
  require_available(*found);
  return {base, *std::move(found)};
}

void WorkingTree::discard(const std::string& changes) {
  std::optional<ChangesDirectory> found = ChangesDirectory::find(changes);
  if (!found) return;
  end_abandoned_mount(*found);
  found->remove();
}

std::optional<WorkingTree> WorkingTree::find(const std::string& mount_point) {
  if (!overlay_at(mount_point)) return std::nullopt;
  for (const MountedImage& mount : mounted_images()) {
    if (mount.user != geteuid() || !mount.mount_point.ends_with(lower_name)) continue;
    const std::string path = parent_of(mount.mount_point);
    if (ChangesDirectory::mount_point_in(path) != mount_point) continue;
    std::optional<ChangesDirectory> changes = ChangesDirectory::find(path);
    if (changes) return WorkingTree(mount.image, *std::move(changes));
  }
  return std::nullopt;
}

Mount WorkingTree::overlay() const {
  std::optional<Mount> mount = overlay_at(changes_.mount_point().value_or(""));
  if (!mount) throw Error(Errc::file_not_found, "is not mounted any more").with_image(image_);
  return *std::move(mount);
}

void WorkingTree::mount(const std::string& mount_point) {
  const std::string target = canonical_path(mount_point);
  if (is_below(canonical_path(changes_.upper()), target)) {
    throw Error(Errc::invalid_argument, "would hide the changes, in " + changes_.path())
        .with_path(mount_point);
  }
  changes_.require_base(image_);
  changes_.forget_result();
  mount_image(image_, changes_.lower(), {});
  try {
    changes_.set_mount_point(target);
    mount_overlay(changes_.kind(), {changes_.lower(), changes_.upper(), changes_.work()}, image_,
                  target);
  } catch (...) {
    changes_.set_mount_point(std::nullopt);
    unmount_image(changes_.lower());
    throw;
  }
}

void WorkingTree::unmount(bool lazy) {
  const Mount mount = overlay();
  try {
    cim::unmount(mount, lazy);
  } catch (const Error& error) {
    if (error.code() == Errc::sharing_violation) throw busy(mount.mount_point, false);
    throw error.with_path(mount.mount_point);
  }
  if (lower_mount(changes_)) unmount_lower(changes_, lazy);
  changes_.set_mount_point(std::nullopt);
}

void WorkingTree::commit(const std::string& name, transfer::Progress& progress) {
  Writer::Options options;
  options.directory = parent_of(image_);
  options.existing = name_of(image_);
  options.name = name;
  options.complete_descriptors = true;
  Writer writer(options);
  const Image base(image_);
  changes_.require_base(image_);
  const std::uint64_t incomplete = transfer::import_upper(
      writer, base, {.path = changes_.upper(), .work = changes_.work(), .kind = changes_.kind()},
      progress);
  if (incomplete != 0) {
    throw Error(Errc::io_error, fmt::format("not made: {} file{} from the tree", incomplete,
                                            incomplete == 1 ? " differs" : "s differ"))
        .with_image(beside(name));
  }
  writer.commit([&](ByteView filesystem_file) {
    if (name == name_of(image_)) changes_.note_result(filesystem_file);
  });
}

std::string WorkingTree::beside(const std::string& name) const {
  return image_.substr(0, image_.rfind('/') + 1) + name;
}

// Where the changes to the image `name` go, once that has been made of this tree.
std::string WorkingTree::changes_of(const std::string& name) const {
  const bool are_beside = changes_.path() == ChangesDirectory::default_path(image_);
  return are_beside ? ChangesDirectory::default_path(beside(name)) : changes_.path();
}

void WorkingTree::make_room(const std::string& name) const {
  const std::string path = changes_of(name);
  if (path != changes_.path()) ChangesDirectory::make_room(path);
}

void WorkingTree::start_anew(const std::string& name) {
  const std::string image = beside(name);
  changes_.renew(changes_of(name), image);
  image_ = image;
}

void WorkingTree::start_anew_mounted(const std::string& name) {
  const std::string mount_point = overlay().mount_point;
  unmount(true);
  start_anew(name);
  mount(mount_point);
}

namespace {

// Those would be gone with the overlay, but not come back.
void refuse_mounts_below(const std::string& mount_point) {
  for (const Mount& mount : mount_table()) {
    if (mount.mount_point == mount_point || !is_below(mount.mount_point, mount_point)) continue;
    throw Error(Errc::sharing_violation, "something is mounted here").with_path(mount.mount_point);
  }
}

// Commits without taking `tree` away from those who use it.
void commit_in_place(WorkingTree& tree, const Mount& overlay, const std::string& name,
                     transfer::Progress& progress) {
  refuse_mounts_below(overlay.mount_point);
  try {
    set_read_only(overlay, true);
  } catch (const Error& error) {
    if (error.code() == Errc::sharing_violation) throw busy(overlay.mount_point, true);
    throw;
  }
  try {
    tree.commit(name, progress);
  } catch (...) {
    set_read_only(overlay, false);
    throw;
  }
  tree.start_anew_mounted(name);
}

// Takes `tree` away for a moment, which nobody must use.
void commit_between_mounts(WorkingTree& tree, const std::string& mount_point,
                           const std::string& name, transfer::Progress& progress) {
  tree.unmount();
  try {
    tree.commit(name, progress);
  } catch (...) {
    try {
      tree.mount(mount_point);
    } catch (const Error&) {
      // The first error is the cause.
    }
    throw;
  }
  tree.start_anew(name);
  tree.mount(mount_point);
}

}  // namespace

Outcome commit_mounted(WorkingTree& tree, const CommitOptions& options,
                       transfer::Progress& progress) {
  const std::string mount_point = tree.changes().mount_point().value_or("");
  const std::string own_name = name_of(tree.image());
  const std::string name = options.name.value_or(own_name);
  if (!options.force) tree.make_room(name);
  if (name != own_name && options.force) {
    tree.commit(name, progress);
    return Outcome::committed;
  }
  if (name != own_name && tree.changes().kind() != OverlayKind::fuse_overlayfs) {
    const std::optional<Mount> overlay = mount_at(mount_point);
    commit_in_place(tree, overlay.value(), name, progress);
    return Outcome::committed;
  }
  try {
    commit_between_mounts(tree, mount_point, name, progress);
  } catch (const Error& error) {
    const bool is_in_use = error.code() == Errc::sharing_violation && error.path() == mount_point;
    if (!is_in_use || name != own_name) throw;
    tree.changes().set_replaces_image();
    return Outcome::postponed;
  }
  return Outcome::committed;
}

}  // namespace cim::working
