// An image -> a tree on disk. May be called from many threads at once, with a Progress each.
#pragma once

#include <string>

#include <cim/image.h>

#include "transfer/image_walk.h"
#include "transfer/progress.h"

namespace cim::transfer {

// Copies what `selection` holds into the directory `destination`, which is made if it does not
// exist (its parent must). A file at `a\b` in the image becomes `destination/a/b`.
//
// Nothing outside of `destination` is touched, whatever the image holds: every file is reached
// through the descriptor of its directory, and no symbolic link is ever followed. Files that exist
// are replaced, directories merged; a symbolic link in the place of a directory is replaced.
//
// Files get the mode and times of the image, extended attributes, and their owner if the caller is
// root. Without that owner they lose set-user-id and set-group-id. `destination` itself gets the
// metadata of the image's root only if it was empty: extracting into /tmp leaves /tmp as it was.
// Directories on the way to the selection get theirs only where they are made.
// Hard links within the selection and holes are kept.
//
// What the system does not let this caller make (a device, an extended attribute, an owner) is
// warned about and left out. Throws Error, naming the file, for everything else: corrupt,
// disk_full, access_denied, is_a_directory (a directory is in the place of a file), file_not_found
// (a path of the selection).
void extract(const Image& image, const std::string& destination, const Selection& selection,
             Progress& progress);

// What extract() has to do. Throws Error as that does.
Amount measure_image(const Image& image, const Selection& selection);

}  // namespace cim::transfer
