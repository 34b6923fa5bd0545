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
  // their files, instead of leaving them out.
  bool streams_as_files = false;
};

// Copies the files in options.selection into the directory `destination`, which is created if
// needed (its parent must exist). A file at `a\b` in the image becomes `destination/a/b`.
//
// Nothing outside `destination` is touched, whatever the image holds: every file is reached through
// the descriptor of its directory, and no symbolic link is ever followed. Existing files are
// replaced, directories merged; a symbolic link in the place of a directory is replaced.
//
// Files get their mode, times and extended attributes from the image, and their owner if the caller
// is root. Without that owner they lose set-user-id and set-group-id. `destination` itself gets the
// metadata of the image's root unless it has other files: extracting into /tmp leaves /tmp as it
// was. Directories on the way to the selection get their metadata only if they are created. Hard
// links within the selection and holes are kept.
//
// An extraction that fails, or whose Progress throws, leaves no file half made, and directories
// with the metadata of the image as if it had ended there. Even if the program is killed, a file is
// complete or not there, and only the owner of a directory can change it. The same extraction again
// completes it. Where the file system lacks O_TMPFILE, a killed program may leave a file with a
// temporary name, which then goes away too.
//
// Whatever cannot be stored is left out with a warning, and the rest goes on: a file that the file
// system refuses for its name, size or type, or that this caller may not make; a file whose place
// is taken by a directory, or whose name leads to a file of another name, as where case is ignored;
// a directory, with everything below it; an extended attribute, an alternate data stream, the
// owner, mode or times of a file. All other failures throw Error, naming the file: corrupt,
// disk_full, file_not_found (a path of the selection), io_error for anything that cannot be read,
// and any failure to create `destination`.
void extract(const Image& image, const std::string& destination, const ExtractOptions& options,
             Progress& progress);

// The amount of work for extract(), and what else `cim info` counts.
struct ImageAmount : Amount {
  std::uint64_t executables = 0;  // files that are stored as executables
  std::uint64_t tombstones = 0;   // which hide what images below have, see cim/writer.h
  std::uint64_t merge_links = 0;
};

// Walks the selected files and counts them. Throws Error as extract() does.
ImageAmount measure_image(const Image& image, const Selection& selection);

}  // namespace cim::transfer
