// What cim shows of a file of an image.
#pragma once

#include <string>

#include <cim/image.h>
#include <sys/stat.h>

namespace cim::cli {

struct FileInfo {
  std::string path;  // as it is to be shown
  File file;
  struct stat status;
  std::string target;  // of a symbolic link
};

// Throws Error (corrupt).
FileInfo file_info(const Image& image, const File& file, std::string path);

// "regular file", "directory", ... in the words of stat(1).
const char* type_name(mode_t mode);

// The names of the FILE_ATTRIBUTE_* bits of `attributes`, as in cim/metadata.h.
std::vector<std::string> attribute_names(std::uint32_t attributes);

}  // namespace cim::cli
