// The files of an image, opened and checked: the filesystem file and region files. May be called
// from many threads at once.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <cim/image.h>

#include "format/layout.h"
#include "image/file_descriptor.h"
#include "image/mapping.h"

namespace cim {

// "region" or "objectid", the GUID and the index in the set, as Windows names the files.
std::string region_file_name(const format::Guid& set, std::uint16_t index);
std::string object_id_file_name(const format::Guid& set, std::uint16_t index);

// What the name of a region file or an object id file says.
struct RegionFileName {
  format::FileType type;  // region or object_id
  format::Guid set;
  std::uint16_t index;
};

// The parts of `name`, if one of the two functions above makes exactly that name from them.
std::optional<RegionFileName> parse_region_file_name(std::string_view name);

// The path that `path` leads to if it is a symbolic link, otherwise `path`. Throws Error.
std::string follow_link(const std::string& path);

// The directory of the image that `path` leads to, and so of its region files. Throws Error.
std::string directory_of(const std::string& path);

// The path of the image `name` in `directory`, the inverse of directory_of().
std::string path_in(const std::string& directory, const std::string& name);

// What the filesystem file of an image says.
struct FilesystemFile {
  std::uint32_t version_major;
  std::uint32_t version_minor;
  format::RegionOffset filesystem;
  std::vector<format::RegionSet> sets;  // parents first, own set last
};

// Opens `name` in the directory `directory_fd` (or AT_FDCWD) for reading, if it is a regular file;
// `path` names it in errors. Throws Error.
FileDescriptor open_regular_file(int directory_fd, const std::string& name,
                                 const std::string& path);

// The size in bytes of the open file `fd`. Throws Error.
std::uint64_t file_size(int fd, const std::string& path);

// Reads and checks the filesystem file that is open as `fd`. Throws Error: corrupt (not an image,
// truncated), unsupported (version).
FilesystemFile read_filesystem_file(int fd, const std::string& path);

// Checks that `header` is that of a file of type `type` in a version that we read. Throws Error:
// corrupt, unsupported.
void check_common_header(const format::CommonHeader& header, format::FileType type,
                         const std::string& path);

// Where the first data at or after `position` of the file begins; `size`, that of the file, if only
// a hole is left, and `position` if that cannot be told.
std::uint64_t next_data(int fd, std::uint64_t position, std::uint64_t size) noexcept;

// A region file, open, mapped, or both.
struct Region {
  std::string path;
  FileDescriptor fd;
  std::uint64_t size;  // bytes
  RegionType type;
  bool has_holes;  // or is compressed
  Mapping mapping;

  // Keeps the file only as a mapping, which takes no descriptor but does not know the holes. Throws
  // Error.
  void close();
};

// Opens region file `index` of `set` in the directory `directory_fd`, whose path is `directory`.
// Throws Error: file_not_found, corrupt, unsupported.
Region open_region(int directory_fd, const std::string& directory, const format::RegionSet& set,
                   std::uint16_t index);

}  // namespace cim
