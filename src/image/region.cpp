#include "image/region.h"

#include <cerrno>
#include <charconv>
#include <cstring>
#include <numeric>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/guid.h"
#include "image/canonical_path.h"
#include "image/file_io.h"

namespace cim {

namespace {

constexpr std::string_view region_prefix = "region_";
constexpr std::string_view object_id_prefix = "objectid_";

std::string file_name(std::string_view prefix, const format::Guid& set, std::uint16_t index) {
  return fmt::format("{}{}_{}", prefix, format::to_string(set), index);
}

}  // namespace

std::string region_file_name(const format::Guid& set, std::uint16_t index) {
  return file_name(region_prefix, set, index);
}

std::string object_id_file_name(const format::Guid& set, std::uint16_t index) {
  return file_name(object_id_prefix, set, index);
}

std::optional<RegionFileName> parse_region_file_name(std::string_view name) {
  const bool is_region = name.starts_with(region_prefix);
  const std::string_view prefix = is_region ? region_prefix : object_id_prefix;
  const std::size_t separator = name.rfind('_');
  if (!name.starts_with(prefix) || separator < prefix.size()) return std::nullopt;
  const auto set = format::parse_guid(name.substr(prefix.size(), separator - prefix.size()));
  std::uint16_t index = 0;
  std::from_chars(name.data() + separator + 1, name.data() + name.size(), index);
  if (!set || name != file_name(prefix, *set, index)) return std::nullopt;
  return RegionFileName{is_region ? format::FileType::region : format::FileType::object_id, *set,
                        index};
}

std::string follow_link(const std::string& path) {
  struct stat status;
  const bool is_link = lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode);
  return is_link ? canonical_path(path) : path;
}

std::string directory_of(const std::string& path) {
  const std::string image = follow_link(path);
  const std::size_t slash = image.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : image.substr(0, slash);
}

std::string path_in(const std::string& directory, const std::string& name) {
  return directory == "." ? name : directory + "/" + name;
}

FileDescriptor open_regular_file(int directory_fd, const std::string& name,
                                 const std::string& path) {
  // O_NONBLOCK: a FIFO by that name must not block us.
  FileDescriptor fd(openat(directory_fd, name.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) throw system_error(errno, path);
  struct stat status;
  if (fstat(fd.get(), &status) != 0) throw system_error(errno, path);
  if (S_ISDIR(status.st_mode)) throw Error(Errc::is_a_directory, "is a directory").with_path(path);
  if (!S_ISREG(status.st_mode)) throw Error(Errc::corrupt, "is not a regular file").with_path(path);
  return fd;
}

std::uint64_t file_size(int fd, const std::string& path) {
  struct stat status;
  if (fstat(fd, &status) != 0) throw system_error(errno, path);
  return static_cast<std::uint64_t>(status.st_size);
}

std::uint64_t next_data(int fd, std::uint64_t position, std::uint64_t size) noexcept {
  const off_t data = lseek(fd, static_cast<off_t>(position), SEEK_DATA);
  if (data < 0) return errno == ENXIO ? size : position;
  return static_cast<std::uint64_t>(data);
}

void check_common_header(const format::CommonHeader& header, format::FileType type,
                         const std::string& path) {
  if (std::memcmp(header.magic, format::magic, sizeof(format::magic)) != 0) {
    throw Error(Errc::corrupt, "is not part of a composite image: wrong magic number")
        .with_path(path);
  }
  if (header.version_major < format::oldest_version_major ||
      header.version_major > format::version_major) {
    throw Error(Errc::version_not_supported,
                fmt::format("has format version {}.{}; versions {} to {} are supported",
                            header.version_major, header.version_minor,
                            format::oldest_version_major, format::version_major))
        .with_path(path);
  }
  if (header.type != type) {
    throw Error(Errc::corrupt,
                fmt::format("has file type {} instead of {}", static_cast<unsigned>(header.type),
                            static_cast<unsigned>(type)))
        .with_path(path);
  }
}

FilesystemFile read_filesystem_file(int fd, const std::string& path) {
  format::FilesystemHeader header = {};
  const std::size_t size = read_at(fd, &header, sizeof(header), 0, path);
  if (size >= sizeof(header.common)) {
    check_common_header(header.common, format::FileType::image, path);
  }
  if (size < sizeof(header)) {
    throw Error(Errc::corrupt,
                fmt::format("is not a composite image: {} bytes, shorter than its header", size))
        .with_path(path);
  }
  FilesystemFile file = {
      .version_major = header.common.version_major,
      .version_minor = header.common.version_minor,
      .filesystem = header.filesystem,
      .sets = std::vector<format::RegionSet>(header.parent_count),
  };
  const std::size_t parents_size = file.sets.size() * sizeof(format::RegionSet);
  if (read_at(fd, file.sets.data(), parents_size, sizeof(header), path) < parents_size) {
    throw Error(Errc::corrupt,
                fmt::format("is truncated: {} parent region sets do not fit", header.parent_count))
        .with_path(path);
  }
  file.sets.push_back(header.regions);
  const std::size_t regions = std::accumulate(
      file.sets.begin(), file.sets.end(), std::size_t{0},
      [](std::size_t sum, const format::RegionSet& set) { return sum + set.count; });
  if (regions == 0 || regions > format::max_regions) {
    throw Error(Errc::corrupt, fmt::format("claims {} region files", regions)).with_path(path);
  }
  return file;
}

Region open_region(int directory_fd, const std::string& directory, const format::RegionSet& set,
                   std::uint16_t index) {
  const std::string name = region_file_name(set.id, index);
  const std::string path = directory + "/" + name;
  FileDescriptor fd = open_regular_file(directory_fd, name, path);
  format::RegionHeader header = {};
  if (read_at(fd.get(), &header, sizeof(header), 0, path) < sizeof(header)) {
    throw Error(Errc::corrupt, "is truncated: shorter than its header").with_path(path);
  }
  check_common_header(header.common, format::FileType::region, path);
  if (header.type > static_cast<std::uint8_t>(RegionType::small_data)) {
    throw Error(Errc::corrupt, fmt::format("has unknown region type {}", header.type))
        .with_path(path);
  }
  Region region = {
      .path = path,
      .fd = std::move(fd),
      .size = 0,
      .type = static_cast<RegionType>(header.type),
      .has_holes = false,
      .mapping = {},
  };
  struct stat status;
  if (fstat(region.fd.get(), &status) != 0) throw system_error(errno, path);
  constexpr std::uint64_t sector_size = 512;  // the unit of st_blocks
  region.size = static_cast<std::uint64_t>(status.st_size);
  region.has_holes = static_cast<std::uint64_t>(status.st_blocks) * sector_size < region.size;
  return region;
}

void Region::close() {
  mapping = Mapping(fd.get(), size, path);
  fd = FileDescriptor();
  has_holes = false;
}

}  // namespace cim
