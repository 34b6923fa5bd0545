// The upper directory of an overlay -> an image.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <cim/image.h>
#include <cim/writer.h>

#include "transfer/progress.h"
#include "transfer/upper_kind.h"

namespace cim::transfer {

// What an overlay has written.
struct UpperDirectory {
  std::string path;

  // The directory that was given as its workdir. Needed if the overlay had the option index=on or
  // nfs_export=on, and only then.
  std::optional<std::string> work = {};

  // Nothing: find_overlay_kind().
  std::optional<OverlayKind> kind = {};
};

// Makes the tree of `writer`, which builds on `base` and has not changed anything yet, what the
// overlay shows whose upper directory is `upper` and whose only lower directory is a mount of
// `base`. What the overlay has not changed is not looked at, and data equal to that of `base` is
// shared. The overlay may be mounted if nobody writes to it.
//
// What the overlay does not show is kept where it has not changed anything: attributes in `base`
// that are called like the overlay's own, devices there that are like whiteouts. Not kept, with a
// warning: the file attributes of chattr(1). Returns the number of files that
// DirectorySource has warned of.
//
// Throws Error if that cannot be made for sure, with the reason: among others corrupt if an
// attribute of the overlay is malformed, path_not_found if it leads to something that `base` does
// not have, unsupported for what an image cannot be made of, as UpperSource and find_overlay_kind()
// do. The writer should then be destroyed without commit(). May be called from many threads at
// once, with a Writer and a Progress each.
std::uint64_t import_upper(Writer& writer, const Image& base, const UpperDirectory& upper,
                           Progress& progress);

}  // namespace cim::transfer
