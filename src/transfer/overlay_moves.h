// Directories that an overlay has renamed.
#pragma once

#include <string>
#include <vector>

#include <cim/image.h>

#include "transfer/upper_kind.h"

namespace cim::transfer {

// A directory of the image that is the lower directory, and its place in the overlay.
struct OverlayMove {
  FileId directory;
  std::u16string from;
  std::u16string to;
};

// The directories of `base` that the overlay with the upper directory `upper` shows at other
// places, those deep in `base` first. Throws Error, naming the file: unsupported if the overlay
// shows one of them at two places, and as take_marks(), OverlayOrigins and DirectorySource do. May
// be called from many threads at once.
std::vector<OverlayMove> find_overlay_moves(const std::string& upper, OverlayKind kind,
                                            const Image& base);

}  // namespace cim::transfer
