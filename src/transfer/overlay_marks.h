// What overlays note in the attributes of the files in their upper directories. May be called from
// many threads at once.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <cim/image.h>

#include "posix/linux_metadata.h"
#include "transfer/upper_kind.h"

namespace cim::transfer {

// How the names of the kernel's attributes begin; the first of those of fuse-overlayfs.
std::string_view overlay_prefix(OverlayKind kind);

// What a file of an upper directory stands for.
struct OverlayMarks {
  bool whiteout = false;                // nothing: it hides what is below
  bool opaque = false;                  // a directory that hides the one below
  std::optional<std::string> redirect;  // where what is below has been: an absolute path or a name
  bool metacopy = false;                // the data is that of the file below
  bool indexed = false;  // other names of the file below may lead here, see OverlayIndex
  bool has_attributes_lost = false;  // of chattr(1)
  std::string origin_path;  // of fuse-overlayfs: where the file below is or was; empty: unknown
  std::string origin;       // the kernel's handle of the file below; empty: none
};

// Whether a device or another file removes what is below.
bool is_whiteout(const posix::LinuxMetadata& metadata, OverlayKind kind);

// What fuse-overlayfs notes owners and modes in, by the attributes of the root of an upper
// directory.
enum class StatOverride { none, security, containers, user };
StatOverride find_stat_override(const posix::LinuxMetadata& root);

// Takes the marks out of `metadata`, which then is what the overlay shows; `stat_override` matters
// only for fuse-overlayfs. Throws Error, naming the attribute: corrupt for a malformed one that has
// an effect, unsupported for one that no overlay of that kind follows, or that cannot be checked.
OverlayMarks take_marks(posix::LinuxMetadata& metadata, OverlayKind kind,
                        StatOverride stat_override);

// The file of `base` that the kernel's file handle `handle` stands for on a mount of it. Throws
// Error: corrupt if it is malformed, unsupported if it is of a file elsewhere.
FileId file_of_handle(const Image& base, std::string_view handle);

}  // namespace cim::transfer
