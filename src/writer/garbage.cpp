#include "writer/garbage.h"

#include <set>

#include <boost/filesystem.hpp>
#include <cim/error.h>
#include <fcntl.h>
#include <unistd.h>

#include "format/guid.h"
#include "image/region.h"

namespace cim {

namespace {

bool has_magic(int fd, const std::string& path) {
  format::CommonHeader header = {};
  return read_at(fd, &header, sizeof(header), 0, path) == sizeof(header) &&
         std::memcmp(header.magic, format::magic, sizeof(format::magic)) == 0 &&
         header.type == format::FileType::image;
}

// The GUIDs of all region sets that images in `directory` refer to. Throws Error if that cannot be
// known.
std::set<std::string> used_region_sets(int directory_fd, const std::string& directory) {
  std::set<std::string> used;
  boost::system::error_code error;
  boost::filesystem::directory_iterator entry(directory, error);
  for (; !error && entry != boost::filesystem::directory_iterator(); entry.increment(error)) {
    if (!boost::filesystem::is_regular_file(entry->symlink_status())) continue;
    const std::string path = entry->path().string();
    const FileDescriptor fd =
        open_regular_file(directory_fd, entry->path().filename().string(), path);
    if (!has_magic(fd.get(), path)) continue;
    for (const format::RegionSet& set : read_filesystem_file(fd.get(), path).sets) {
      used.insert(format::to_string(set.id));
    }
  }
  if (error) throw system_error(error.value(), directory);
  return used;
}

}  // namespace

void remove_unused_region_sets(int directory_fd, const std::string& directory,
                               std::span<const format::RegionSet> candidates) {
  std::set<std::string> used;
  try {
    used = used_region_sets(directory_fd, directory);
  } catch (const Error&) {
    return;
  }
  for (const format::RegionSet& set : candidates) {
    if (used.contains(format::to_string(set.id))) continue;
    for (std::uint16_t i = 0; i < set.count; ++i) {
      unlinkat(directory_fd, region_file_name(set.id, i).c_str(), 0);
      unlinkat(directory_fd, object_id_file_name(set.id, i).c_str(), 0);
    }
  }
}

}  // namespace cim
