// What cim shows of a file of an image.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <cim/image.h>
#include <sys/stat.h>

namespace cim::cli {

struct FileInfo {
  std::string path;  // as it is to be shown
  File file;
  struct stat status;
  std::string target;  // of a symbolic link
};

// The file at the Linux path `path`. Throws Error (file_not_found).
File find_file(const Image& image, const std::string& path);

// Whether `file` is a directory to Linux: not a link to one, as Windows has them.
bool is_directory(const File& file);

// How to show the path of a file by the path that was asked for, `start`, and the path from there,
// with or without a leading `/`, "" for itself.
std::string path_below(const std::string& start, std::string_view relative);

// Throws Error (corrupt).
FileInfo file_info(const Image& image, const File& file, std::string path);

// How an executable is stored that Windows, or we, have moved the sections of apart.
struct StoredExecutable {
  std::uint64_t size;   // bytes, those between the parts included
  std::uint32_t parts;  // that are stored without a gap
};

// Nothing for a stream that is stored as it is. Throws Error (corrupt).
std::optional<StoredExecutable> stored_executable(const Image& image, const Stream& stream);

// "regular file", "directory", ... in the words of stat(1).
const char* type_name(mode_t mode);

// The names of the FILE_ATTRIBUTE_* bits of `attributes`, as in cim/metadata.h.
std::vector<std::string> attribute_names(std::uint32_t attributes);

}  // namespace cim::cli
