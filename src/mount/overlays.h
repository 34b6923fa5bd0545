// The overlays that are mounted. May be called from many threads at once.
#pragma once

#include <optional>
#include <string>

namespace cim {

// Where an overlay of the kernel is mounted whose upper directory is `upper`, or may be: one that
// was named by a relative path is taken for `upper` if it ends like that. Nothing if there is none
// that this process sees; fuse-overlayfs does not tell its upper directory.
std::optional<std::string> overlay_mounted_on(const std::string& upper);

}  // namespace cim
