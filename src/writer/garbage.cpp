#include "writer/garbage.h"

#include <algorithm>
#include <cerrno>
#include <map>

#include <cim/error.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/guid.h"
#include "image/file_io.h"
#include "image/region.h"
#include "writer/directory.h"
#include "writer/image_directory.h"
#include "writer/pending_file.h"

namespace cim {

namespace {

constexpr std::uint64_t sector_size = 512;  // the unit of st_blocks

// The region sets that images refer to.
class UsedRegionSets {
 public:
  void add(const format::RegionSet& set) {
    std::uint32_t& count = counts_[format::to_string(set.id)];
    count = std::max<std::uint32_t>(count, set.count);
  }

  bool contain(const format::Guid& set, std::uint16_t index) const {
    const auto found = counts_.find(format::to_string(set));
    return found != counts_.end() && index < found->second;
  }

 private:
  std::map<std::string, std::uint32_t> counts_;  // of region files, by GUID
};

// Everything that the images in the directory refer to. Throws Error if that cannot be known.
UsedRegionSets used_region_sets(int directory_fd, const std::string& directory) {
  UsedRegionSets used;
  for (const DirectoryImage& image : find_images(directory_fd, directory)) {
    for (const format::RegionSet& set : image.sets) used.add(set);
  }
  return used;
}

// Throws Error if the file does not start with a header of `type`.
void check_header(int directory_fd, const std::string& name, const std::string& path,
                  format::FileType type) {
  const FileDescriptor fd = open_regular_file(directory_fd, name, path);
  format::CommonHeader header = {};
  read_at(fd.get(), &header, sizeof(header), 0, path);
  check_common_header(header, type, path);
}

}  // namespace

Garbage::Garbage(const std::string& directory)
    : directory_(directory), directory_fd_(lock_directory(directory)) {
  const UsedRegionSets used = used_region_sets(directory_fd_.get(), directory_);
  for (const std::string& name : names_in(directory_)) {
    const auto region = parse_region_file_name(name);
    if (region ? used.contain(region->set, region->index) : !is_temporary_name(name)) continue;
    try {
      if (region) {
        check_header(directory_fd_.get(), name, directory_ + "/" + name, region->type);
      }
      add(name);
    } catch (const Error& doubt) {
      doubts_.emplace_back(doubt.what());
    }
  }
  std::ranges::sort(files_, {}, &File::name);
  std::ranges::sort(doubts_);
  // A crash must not bring back an image whose removal or replacement made files garbage.
  sync_directory(directory_fd_.get(), directory_);
}

void Garbage::add(const std::string& name) {
  const std::string path = directory_ + "/" + name;
  struct stat status;
  if (fstatat(directory_fd_.get(), name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    throw system_error(errno, path);
  }
  if (!S_ISREG(status.st_mode)) throw Error(Errc::corrupt, "is not a regular file").with_path(path);
  const std::uint64_t bytes = static_cast<std::uint64_t>(status.st_blocks) * sector_size;
  files_.push_back({name, bytes});
}

void Garbage::remove(const File& file) const {
  if (unlinkat(directory_fd_.get(), file.name.c_str(), 0) != 0) {
    throw system_error(errno, directory_ + "/" + file.name);
  }
}

void remove_unused_region_sets(int directory_fd, const std::string& directory,
                               std::span<const format::RegionSet> candidates) noexcept {
  if (candidates.empty()) return;
  try {
    const UsedRegionSets used = used_region_sets(directory_fd, directory);
    for (const format::RegionSet& set : candidates) {
      for (std::uint16_t i = 0; i < set.count; ++i) {
        if (used.contain(set.id, i)) continue;
        unlinkat(directory_fd, region_file_name(set.id, i).c_str(), 0);
        unlinkat(directory_fd, object_id_file_name(set.id, i).c_str(), 0);
      }
    }
  } catch (const std::exception&) {  // cim gc says what is wrong
  }
}

}  // namespace cim
