// Whole images -> other places. May be called from many threads at once, with a Progress each.
#pragma once

#include <string>

#include "transfer/progress.h"

namespace cim::transfer {

struct ImageCopyOptions {
  std::string source;     // the path of the image
  std::string directory;  // of the new image, which must exist
  std::string name;       // of the new image
  bool replace = false;   // a file that has the name
};

// Copies an image with all its files: the region and object id files of the images that it builds
// on are among them. Files that the directory has already, as in the source's own, are shared. If
// the source is a symbolic link, copies the image that it leads to. The new files have the
// permissions of the old ones, as far as the umask allows.
//
// Everything is copied and synced before any file gets its name, the filesystem file the last: the
// copy exists completely or not at all. The files of an image that is replaced are removed unless
// another image needs them.
//
// Throws Error: file_exists (the name is taken, or a file with the name of a region file has other
// content), invalid_argument (source and copy are the same), sharing_violation (the image to
// replace is mounted, or another writer works in the directory), what opening the source throws,
// and any failure to read or write.
void copy_image(const ImageCopyOptions& options, Progress& progress);

// The same, and removes the source and those of its files that no other image in its directory
// needs. Within one file system nothing is copied. Files keep their permissions, times and, if
// possible, owners. Until everything is in place the source is as it was. Throws Error as
// copy_image() does; also invalid_argument (the source is a symbolic link) and sharing_violation
// (the source is mounted, or another writer works in its directory).
void move_image(const ImageCopyOptions& options, Progress& progress);

// The amount of work for either: the files of the image, whether they are there already or not, or
// within one directory just the filesystem file. Throws Error if they cannot be opened.
Amount measure_image_copy(const ImageCopyOptions& options);

}  // namespace cim::transfer
