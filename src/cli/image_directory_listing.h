// The listing of a directory of images.
#pragma once

#include <string>

namespace cim::cli {

struct ImageListOptions {
  bool long_format = false;     // the region and object id files, too
  bool human_readable = false;  // sizes as human_size() has them, not in bytes; not for JSON
  bool json = false;
};

// Prints which images are in `directory`, what each takes and what removing it would free, and
// which of its files they need. Throws Error if the directory, or an image in it, cannot be read;
// in the latter case everything else is printed before.
void list_images(const std::string& directory, const ImageListOptions& options);

}  // namespace cim::cli
