// The directory in which what is changed in a mounted image is kept until it is committed.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <cim/metadata.h>

#include "image/file_descriptor.h"
#include "mount/overlay.h"

namespace cim::working {

// Below the directory are:
//
//   image        a copy of the filesystem file of the image that the changes are made to
//   overlay      the kind of the overlay
//   lower/       where that image is mounted
//   upper/       what was changed, see OverlayDirectories
//   work/        the overlay's own
//   root         the metadata of upper/ without changes
//   earlier/     upper/ and work/ before the last renew(), and earlier/ likewise
//   mount-point  where the tree is mounted, if it is
//   result       what the filesystem file of the image is once the changes are in it, if they were
//                being committed to it
//   replace      exists if the changes are to replace the image once the tree is unmounted
//
// It is complete when `overlay` is there. Locked while an object stands for it (flock(2)). Only its
// owner has access. For one thread at a time; move-only.
class ChangesDirectory {
 public:
  // Where the changes to `image` are kept unless the user says otherwise: beside it.
  static std::string default_path(const std::string& image);

  // The complete one at `path`; nothing if there is none. Throws Error: sharing_violation if
  // another process works on it, access_denied.
  static std::optional<ChangesDirectory> find(const std::string& path);

  // A new one at `path`, which may be an empty directory, for changes to `image`, without any.
  // Throws Error: file_exists if there is something else, sharing_violation if another process
  // makes one, and as Image does. There is nothing new then.
  static ChangesDirectory create(const std::string& path, const std::string& image,
                                 OverlayKind kind);

  // Sees to it that there can be a new one at `path`, and nothing is there. Throws Error as
  // create() does, and file_exists if there are changes.
  static void make_room(const std::string& path);

  // Makes it one of changes to `image`, without any, and moves it to `path`, for which there must
  // be room. Whoever still sees an overlay on it sees that as it was, until remove(). Throws Error.
  void renew(const std::string& path, const std::string& image);

  const std::string& path() const noexcept { return path_; }
  std::string lower() const;
  std::string upper() const;
  std::string work() const;

  // A directory for mounting the tree where only this process sees it.
  std::string private_mount_point() const;

  OverlayKind kind() const noexcept { return kind_; }

  // Throws Error (invalid_argument) if `image` is not as it was when the changes were begun: they
  // would mean something else.
  void require_base(const std::string& image) const;

  // Notes that the changes are about to become part of their image, whose filesystem file then is
  // `filesystem_file`. Throws Error.
  void note_result(ByteView filesystem_file);

  // Forgets it: from now on there may be more changes. Throws Error.
  void forget_result();

  // Whether `image` is that, and the changes are only left over. Throws Error.
  bool are_in(const std::string& image) const;

  // Whether anything was changed in the tree.
  bool has_changes() const;

  // Where the changes in the directory `path` are mounted, with their image; nothing if they are
  // not, or it is no such directory.
  static std::optional<std::string> mount_point_in(const std::string& path);
  std::optional<std::string> mount_point() const { return mount_point_in(path_); }
  void set_mount_point(const std::optional<std::string>& mount_point);

  bool replaces_image() const;
  void set_replaces_image();

  // Removes it with all changes; of a mount point, an empty directory is left. Throws Error.
  void remove();

 private:
  ChangesDirectory(std::string path, FileDescriptor lock) noexcept
      : path_(std::move(path)), lock_(std::move(lock)) {}
  void copy_base(const std::string& image) const;
  void fill(const std::string& image);
  void set_aside();
  void clear();
  void write(const char* name, std::string_view contents) const;
  void sync_names() const;
  std::string root_metadata() const;

  std::string path_;
  FileDescriptor lock_;
  OverlayKind kind_ = OverlayKind::kernel;
};

}  // namespace cim::working
