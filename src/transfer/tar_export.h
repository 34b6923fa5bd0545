// An image -> a tar archive. May be called from many threads at once, with a Progress each.
#pragma once

#include <cstdint>

#include <cim/image.h>

#include "transfer/image_walk.h"
#include "transfer/output.h"
#include "transfer/progress.h"

namespace cim::transfer {

// Writes the files of `image` in `selection`, and the directories on the way to them, as a tar
// archive in the pax format to `output`.
//
// Members are in the image's order, each directory before its contents, `./` first. Equal images
// with equal holes give equal archives, byte for byte. Owners are numbers only. The later names of
// a file with several names are hard link members. Holes stay holes (GNU's sparse format 1.0).
// Extended attributes are in SCHILY.xattr records, with names encoded as in GNU tar; access control
// lists are in SCHILY.acl records: GNU tar restores them with --xattrs --xattrs-include='*' --acls,
// bsdtar with -p. Memory grows with the number of files with several names and of holes in one
// file, not with data.
//
// Leaves out, with a warning, sockets, which tar cannot hold, and alternate data streams that
// cannot be extended attributes (see posix::StreamXattr). Returns the number of these warnings.
//
// Throws Error: corrupt, naming image and file; and those of `output`.
std::uint64_t export_tar(const Image& image, Output& output, Progress& progress,
                         const Selection& selection = {});

}  // namespace cim::transfer
