#include "writer/garbage.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>

#include <boost/filesystem.hpp>
#include <cim/error.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/guid.h"
#include "image/file_io.h"
#include "image/region.h"
#include "writer/directory.h"
#include "writer/pending_file.h"

namespace cim {

namespace {

namespace fs = boost::filesystem;

constexpr std::string_view image_suffix = ".cim";
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

// Calls `action` with each entry of the directory. Throws Error.
template <typename Action>
void for_each_entry(const std::string& directory, Action&& action) {
  boost::system::error_code error;
  fs::directory_iterator entry(directory, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) action(*entry);
  if (error) throw system_error(error.value(), directory);
}

// Whether the entry may lead to a regular file. A dangling link does if it is named like an image.
bool may_be_regular_file(const fs::directory_entry& entry) {
  boost::system::error_code error;
  const fs::file_type type = entry.status(error).type();
  const bool is_dangling =
      type == fs::file_not_found && entry.symlink_status(error).type() == fs::symlink_file;
  if (is_dangling) return entry.path().string().ends_with(image_suffix);
  return type == fs::regular_file || type == fs::file_not_found || type == fs::status_error;
}

// Whether the file is an image, or a damaged one.
bool may_be_image(int fd, const std::string& name, const std::string& path) {
  if (name.ends_with(image_suffix)) return true;
  format::CommonHeader header = {};
  const std::size_t size = read_at(fd, &header, sizeof(header), 0, path);
  if (std::memcmp(header.magic, format::magic, sizeof(format::magic)) != 0) return false;
  if (parse_region_file_name(name)) {
    return size == sizeof(header) && header.type == format::FileType::image;
  }
  return header.type != format::FileType::region && header.type != format::FileType::object_id;
}

// Everything that the images in the directory refer to. Throws Error if that cannot be known.
UsedRegionSets used_region_sets(int directory_fd, const std::string& directory) {
  UsedRegionSets used;
  for_each_entry(directory, [&](const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    if (is_temporary_name(name) || !may_be_regular_file(entry)) return;
    const std::string path = directory + "/" + name;
    const FileDescriptor fd = open_regular_file(directory_fd, name, path);
    if (!may_be_image(fd.get(), name, path)) return;
    for (const format::RegionSet& set : read_filesystem_file(fd.get(), path).sets) used.add(set);
  });
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
  for_each_entry(directory_, [&](const fs::directory_entry& entry) {
    const std::string name = entry.path().filename().string();
    const auto region = parse_region_file_name(name);
    if (region ? used.contain(region->set, region->index) : !is_temporary_name(name)) return;
    try {
      if (region) {
        check_header(directory_fd_.get(), name, directory_ + "/" + name, region->type);
      }
      add(name);
    } catch (const Error& doubt) {
      doubts_.emplace_back(doubt.what());
    }
  });
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
