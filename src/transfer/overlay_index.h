// Files with several names that an overlay has changed under all of them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <cim/image.h>

#include "transfer/image_files.h"

namespace cim::transfer {

// A file of the image that is the lower directory, whose names there all lead to another file now.
struct IndexedFile {
  FileId file;
  std::u16string name;  // one of its names, as a path in the image
  std::string changed;  // the path of the other file
  FileKey key;          // of that
};

// What the index in the workdir `work` of an overlay says, which it has with the mount options
// index=on and nfs_export=on; nothing if there is none. Throws Error: sharing_violation if the
// overlay was mounted as volatile and may have lost data, corrupt, unsupported, as file_of_handle()
// does, and the system's error. May be called from many threads at once.
std::vector<IndexedFile> read_overlay_index(const std::string& work, const Image& base);

}  // namespace cim::transfer
