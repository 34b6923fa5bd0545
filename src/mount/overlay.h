// Overlays on a mounted image, in which it can be changed. May be called from many threads at once.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mount/mount_table.h"

namespace cim {

// Who makes an overlay, and how it marks in its upper directory what was removed.
enum class OverlayKind {
  kernel,          // with attributes trusted.overlay.*, which only root sees
  userxattr,       // the kernel's with the option userxattr: with attributes user.overlay.*
  fuse_overlayfs,  // the program: also with .wh. names, and with owners and modes in attributes
};

std::string_view to_string(OverlayKind kind) noexcept;

std::vector<std::string> overlay_kind_names();

// Nothing for an unknown name.
std::optional<OverlayKind> overlay_kind(std::string_view name) noexcept;

// The kind that this process can mount.
OverlayKind available_overlay_kind();

struct OverlayDirectories {
  std::string lower;  // the mounted image
  std::string upper;  // what was changed
  std::string work;   // the overlay's own, empty, on the file system of `upper`
};

// Mounts an overlay of `kind` on `mount_point`; `source` is what the mount table names as mounted.
// Throws Error: access_denied; unsupported if the file system of the upper directory cannot be one;
// sharing_violation if another overlay uses that; file_not_found if there is no fuse-overlayfs.
void mount_overlay(OverlayKind kind, const OverlayDirectories& directories,
                   const std::string& source, const std::string& mount_point);

// Where an overlay of the kernel is mounted whose upper directory is `upper`, or may be: one that
// was named by a relative path is taken for `upper` if it ends like that. Nothing if there is none
// that this process sees; fuse-overlayfs does not tell its upper directory.
std::optional<std::string> overlay_mounted_on(const std::string& upper);

// Whether `mount` is an overlay of any kind.
bool is_overlay(const Mount& mount) noexcept;

// Makes an overlay of the kernel read-only, all its mounts, or writable again. Throws Error:
// sharing_violation if a file is open for writing.
void set_read_only(const Mount& overlay, bool read_only);

}  // namespace cim
