// An image -> a layer of a container. May be called from many threads at once, with a Progress
// each.
#pragma once

#include <cstdint>

#include <cim/image.h>

#include "transfer/output.h"
#include "transfer/progress.h"

namespace cim::transfer {

// Writes what has changed from `parent` to `image`, or all of `image` if that is null, as a layer
// to `output`: a tar archive that LayerSource reads, for Windows if the image ignores case, else
// for Linux. Equal images give equal layers, byte for byte.
//
// Members are sorted by the bytes of their names, each directory, its whiteouts, then its contents.
// Directories on the way to a change are there, too. With a new name of a file come, for Linux, its
// other names, as hard links to the first: those who unpack a layer by itself have no other. For
// Windows, it is a hard link to a name that both images have. A layer of Windows has Files,
// UtilityVM and, unless it is a base, the changes of the registry that are new in Hives; what the
// import adds is left out. See ImageChanges for the time that it takes.
//
// Leaves out, with a warning, what a layer cannot hold: names that start with `.wh.`; for Linux,
// the same as export_tar(); for Windows, other reparse points than symbolic links and junctions,
// and other directories. Returns the number of these warnings.
//
// Throws Error: invalid_argument, naming the parent, if only one image ignores case;
// path_not_found if an image for Windows has no Files; and as export_tar() does.
std::uint64_t export_layer(const Image& image, const Image* parent, Output& output,
                           Progress& progress);

}  // namespace cim::transfer
