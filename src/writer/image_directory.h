// The images of a directory, and the files that they consist of. May be called from many threads at
// once.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <cim/error.h>
#include <sys/types.h>

#include "format/layout.h"

namespace cim {

// An image in a directory, under one of its names.
struct DirectoryImage {
  std::string name;                     // of the filesystem file, or of a link to it
  bool is_link;                         // whether it is a symbolic link
  std::pair<dev_t, ino_t> file;         // which filesystem file it is
  std::vector<format::RegionSet> sets;  // parents first, own set last
};

using UnreadableImage = std::function<void(const Error&)>;

// The images in the directory `directory_fd`, whose path is `directory`, sorted by name. Images
// count under any name, and so do symbolic links to images. Calls `unreadable` for each file that
// may be an image but cannot be read, or throws that Error if there is no `unreadable`. Throws
// Error if the directory cannot be read.
std::vector<DirectoryImage> find_images(int directory_fd, const std::string& directory,
                                        const UnreadableImage& unreadable = {});

// The region sets of the image whose filesystem file is open as `fd`; none if it is no image.
std::vector<format::RegionSet> region_sets_if_image(int fd);

// The names of the region files and object id files of `sets`: each once, sorted.
std::vector<std::string> region_file_names(std::span<const format::RegionSet> sets);

// The names of all entries of `directory`, in any order. Throws Error.
std::vector<std::string> names_in(const std::string& directory);

}  // namespace cim
