// The files on disk that an image consists of.
#pragma once

#include <set>
#include <string>
#include <utility>

#include <sys/stat.h>
#include <sys/types.h>

namespace cim::transfer {

// Identifies a file on disk.
using FileKey = std::pair<dev_t, ino_t>;
FileKey key_of(const struct stat& status);

// The files of the image `path`: what is made from a tree that the image lies in does not contain
// them. Empty if there is no readable image.
std::set<FileKey> files_of_image(const std::string& path);

}  // namespace cim::transfer
