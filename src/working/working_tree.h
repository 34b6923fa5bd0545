// A tree in which an image can be changed: an overlay on a mount of it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "mount/mount_table.h"
#include "transfer/progress.h"
#include "working/changes_directory.h"

namespace cim::working {

// An image and the changes to it, which may be mounted together. For one thread at a time.
class WorkingTree {
 public:
  // The tree of `image` with the changes in the directory `changes`: those of an earlier time, or
  // new ones. Throws Error: sharing_violation if it is mounted somewhere, or another process works
  // on it; unsupported if the changes were made by an overlay of a kind that this process cannot
  // mount; and the errors of ChangesDirectory and Image.
  static WorkingTree open(const std::string& image, const std::string& changes);

  // Removes the changes in the directory `changes` if there are any, whatever image they are of.
  // Throws Error: sharing_violation as open() does.
  static void discard(const std::string& changes);

  // The tree that this user has mounted at the canonical path `mount_point`; nothing if there is
  // none. Throws Error as open() does.
  static std::optional<WorkingTree> find(const std::string& mount_point);

  const std::string& image() const noexcept { return image_; }
  ChangesDirectory& changes() noexcept { return changes_; }

  bool has_changes() const { return changes_.has_changes(); }

  // Mounts it on `mount_point`, which must not hide the changes. Throws Error as mount_image(),
  // mount_overlay() and ChangesDirectory::require_base() do.
  void mount(const std::string& mount_point);

  // Throws Error: sharing_violation, which names the processes that use it. If `lazy`, it
  // disappears at once, and ends when nobody uses it any more.
  void unmount(bool lazy = false);

  // The same for a mount that ended otherwise, as when its namespace did.
  void forget_mount() { changes_.set_mount_point(std::nullopt); }

  // Makes the image `name`, in the directory of image(), of the tree: a fork of image(), or that
  // itself. Throws Error as Writer and import_upper() do, and io_error if files of the image would
  // differ from those in the tree, after a warning each. The images and the changes are then as
  // they were.
  void commit(const std::string& name, transfer::Progress& progress);

  // Sees to it that start_anew() will find room for the changes to the image `name`. Throws Error:
  // file_exists if something else is there.
  void make_room(const std::string& name) const;

  // Makes the tree one of the image `name`, which has just been made of it, without changes. It
  // must not be mounted.
  void start_anew(const std::string& name);

  // The same for a tree that is mounted and cannot be changed any more: see set_read_only().
  // Whoever is in it still sees it as it was.
  void start_anew_mounted(const std::string& name);

  // Removes all changes, for good. It must not be mounted.
  void discard() { changes_.remove(); }

 private:
  WorkingTree(std::string image, ChangesDirectory changes)
      : image_(std::move(image)), changes_(std::move(changes)) {}
  Mount overlay() const;
  std::string beside(const std::string& name) const;
  std::string changes_of(const std::string& name) const;

  std::string image_;  // canonical path
  ChangesDirectory changes_;
};

enum class Outcome {
  committed,
  postponed,  // until the tree is unmounted
};

struct CommitOptions {
  // The new image, beside the image of the tree. Nothing: replaces that.
  std::optional<std::string> name;

  // Even if processes may write to the tree meanwhile. It then stays as it is, with its changes.
  bool force = false;
};

// Commits `tree`, which stays mounted, and has no changes afterwards. Throws Error:
// sharing_violation if processes write to the tree, whose names it gives; and those of
// WorkingTree::commit(), after which the tree is as it was.
Outcome commit_mounted(WorkingTree& tree, const CommitOptions& options,
                       transfer::Progress& progress);

}  // namespace cim::working
