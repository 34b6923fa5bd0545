// An image -> a tree on disk. May be called from many threads at once, with a Progress each.
#pragma once

#include <string>

#include <cim/image.h>

#include "transfer/image_walk.h"
#include "transfer/progress.h"

namespace cim::transfer {

struct ExtractOptions {
  Selection selection;

  // Stores alternate data streams that cannot be extended attributes as files `FILE:STREAM` beside
  // theirs, instead of leaving them out.
  bool streams_as_files = false;
};

// Copies what options.selection holds into the directory `destination`, which is made if it does
// not exist (its parent must). A file at `a\b` in the image becomes `destination/a/b`.
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
// What cannot be stored there is warned about and left out, and the rest goes on: a file that the
// file system does not take, for its name, size or type, or that this caller may not make; one in
// whose place is a directory, or what has another name but is led to by this one, as where case is
// ignored; a directory, with all that is below it; of a file that is made, an extended attribute,
// an alternate data stream, the owner, mode or times. Throws Error, naming the file, for everything
// else: corrupt, disk_full, file_not_found (a path of the selection), io_error for what cannot be
// read, and what keeps `destination` from being made.
void extract(const Image& image, const std::string& destination, const ExtractOptions& options,
             Progress& progress);

// What extract() has to do. Throws Error as that does.
Amount measure_image(const Image& image, const Selection& selection);

}  // namespace cim::transfer
