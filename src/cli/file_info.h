// The facts that cim shows of a file of an image.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <cim/image.h>
#include <sys/stat.h>

namespace cim::cli {

struct FileInfo {
  std::string path;  // as shown
  File file;
  struct stat status;
  std::string target;  // of a symbolic link
};

// The file at the Linux path `path`. Throws Error (file_not_found).
File find_file(const Image& image, const std::string& path);

// The data of the file at the Linux path `path`, or the alternate stream at `FILE:NAME` or
// `FILE:NAME:$DATA`; a file whose own name has the colon comes first. Throws Error: file_not_found;
// is_a_directory, or invalid_argument for a file of another type, if it has no data.
Stream find_stream(const Image& image, const std::string& path);

// The path to show for a file, from the path the user gave, `start`, and the file's path relative
// to it, with or without a leading `/`; "" for `start` itself.
std::string path_below(const std::string& start, std::string_view relative);

// Throws Error (corrupt).
FileInfo file_info(const Image& image, const File& file, std::string path);

// How an executable is stored if Windows, or cim, has moved its sections apart.
struct StoredExecutable {
  std::uint64_t size;   // bytes, including those between the parts
  std::uint32_t parts;  // number of parts stored without a gap
};

// Nothing for a stream that is not stored like this. Throws Error (corrupt).
std::optional<StoredExecutable> stored_executable(const Image& image, const Stream& stream);

// The owner or group of a file in Windows.
struct Account {
  std::string sid;   // "S-1-5-18"; empty: none
  std::string name;  // "NT AUTHORITY\SYSTEM"; empty unless every Windows has it
};

// What the security descriptor of a file says, as far as it can be told.
struct Security {
  Account owner;
  Account group;
  std::string sddl;     // the whole descriptor
  std::string problem;  // why there is no `sddl`, or empty
};

// Nothing for a file without a descriptor.
std::optional<Security> security_of(const Image& image, const File& file);

// "regular file", "directory", ... as stat(1) says it.
const char* type_name(mode_t mode);

// The names of the FILE_ATTRIBUTE_* bits of `attributes`, as in cim/metadata.h.
std::vector<std::string> attribute_names(std::uint32_t attributes);

// Windows' name of a reparse tag, without the IO_REPARSE_TAG_ before it; empty if it is not known.
std::string_view reparse_tag_name(std::uint32_t tag);

}  // namespace cim::cli
