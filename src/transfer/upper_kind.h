// Which kind of overlay has written an upper directory. May be called from many threads at once.
#pragma once

#include <string>

#include "mount/overlay.h"

namespace cim::transfer {

// The kind that has written the upper directory `upper`, by its attributes and names. Looks at all
// files unless those of its root suffice. Throws Error: unsupported if that is not certain,
// access_denied if this process cannot see what would tell, and the system's error.
OverlayKind find_overlay_kind(const std::string& upper);

// Throws Error (access_denied) unless this process sees the attributes trusted.*, which are just
// missing for all but root.
void require_trusted_attributes(const std::string& upper);

}  // namespace cim::transfer
