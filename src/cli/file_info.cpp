// The facts that cim shows of a file of an image.
#include "cli/file_info.h"

#include <utility>

#include <unistd.h>

#include "image/internals.h"
#include "posix/attributes.h"

namespace cim::cli {

File find_file(const Image& image, const std::string& path) {
  const auto id = image.resolve(linux_to_image_path(path));
  if (!id) {
    throw Error(Errc::file_not_found, "no such file or directory")
        .with_image(image.path())
        .with_path(path);
  }
  return image.file(*id);
}

bool is_directory(const File& file) { return file.is_directory() && !posix::is_symlink(file); }

std::string path_below(const std::string& start, std::string_view relative) {
  std::string path = start.empty() ? "." : start;
  if (relative.empty()) return path;
  if (!path.ends_with('/')) path += '/';
  if (relative.starts_with('/')) relative.remove_prefix(1);
  return path += relative;
}

FileInfo file_info(const Image& image, const File& file, std::string path) {
  const posix::MountDefaults defaults = {.uid = geteuid(), .gid = getegid()};
  FileInfo info = {.path = std::move(path),
                   .file = file,
                   .status = posix::attributes(image, file, defaults),
                   .target = {}};
  if (S_ISLNK(info.status.st_mode)) info.target = posix::symlink_target(image, file);
  return info;
}

std::optional<StoredExecutable> stored_executable(const Image& image, const Stream& stream) {
  if (stream.type != StreamType::pe_image || stream.sparse) return std::nullopt;
  const format::PeImage header = ImageInternals(image).pe_image(stream).header;
  return StoredExecutable{header.data_length, header.mapping_count + 1U};
}

const char* type_name(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "regular file";
    case S_IFDIR:
      return "directory";
    case S_IFLNK:
      return "symbolic link";
    case S_IFIFO:
      return "fifo";
    case S_IFSOCK:
      return "socket";
    case S_IFCHR:
      return "character special file";
    case S_IFBLK:
      return "block special file";
    default:
      return "unknown";
  }
}

std::vector<std::string> attribute_names(std::uint32_t attributes) {
  constexpr std::pair<std::uint32_t, const char*> names[] = {
      {attribute::read_only, "read-only"},
      {attribute::hidden, "hidden"},
      {attribute::system, "system"},
      {attribute::directory, "directory"},
      {attribute::archive, "archive"},
      {attribute::sparse_file, "sparse"},
      {attribute::reparse_point, "reparse-point"},
  };
  std::vector<std::string> set;
  for (const auto& [bit, name] : names) {
    if ((attributes & bit) != 0) set.emplace_back(name);
  }
  return set;
}

}  // namespace cim::cli
