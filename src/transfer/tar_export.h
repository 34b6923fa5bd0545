// An image -> a tar archive. May be called from many threads at once, with a Progress each.
#pragma once

#include <cstdint>
#include <string>

#include <cim/image.h>

#include "transfer/progress.h"

namespace cim::transfer {

// Writes the whole of `image` as a tar archive in the pax format to `fd`, which `name` names in
// errors. It need not be seekable.
//
// Members are in the image's order, a directory before what it holds, `./` first. Equal images with
// equal holes give equal archives, byte for byte. Owners are numbers only. Of a file with several
// names, the later ones are hard link members. Holes stay holes (GNU's sparse format 1.0).
// Extended attributes are in SCHILY.xattr records, names encoded as GNU tar does; access control
// lists in SCHILY.acl records: GNU tar restores them with --xattrs --xattrs-include='*' --acls,
// bsdtar with -p. Memory grows with the number of files with several names and of holes in one
// file, not with data.
//
// What tar cannot hold, sockets, is warned about and left out; so is an alternate data stream that
// cannot be an extended attribute (see posix::StreamXattr). Returns how often that was.
//
// Throws Error: corrupt, naming image and file; what the system says of writing to `fd`.
std::uint64_t export_tar(const Image& image, int fd, const std::string& name, Progress& progress);

}  // namespace cim::transfer
