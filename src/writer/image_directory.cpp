#include "writer/image_directory.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <string_view>

#include <boost/filesystem.hpp>
#include <sys/stat.h>

#include "image/file_io.h"
#include "image/region.h"
#include "writer/pending_file.h"

namespace cim {

namespace {

namespace fs = boost::filesystem;

constexpr std::string_view image_suffix = ".cim";

// Calls `action` with each entry of the directory. Throws Error.
template <typename Action>
void for_each_entry(const std::string& directory, Action&& action) {
  boost::system::error_code error;
  fs::directory_iterator entry(directory, error);
  for (; !error && entry != fs::directory_iterator(); entry.increment(error)) action(*entry);
  if (error) throw system_error(error.value(), directory);
}

bool is_link(const fs::directory_entry& entry) {
  boost::system::error_code error;
  return entry.symlink_status(error).type() == fs::symlink_file;
}

// Whether the entry may lead to a regular file. A dangling link does if it is named like an image.
bool may_be_regular_file(const fs::directory_entry& entry) {
  boost::system::error_code error;
  const fs::file_type type = entry.status(error).type();
  if (type == fs::file_not_found && is_link(entry)) {
    return entry.path().string().ends_with(image_suffix);
  }
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

// Nothing if the entry is no image. Throws Error.
std::optional<DirectoryImage> read_image(int directory_fd, const std::string& directory,
                                         const fs::directory_entry& entry) {
  const std::string name = entry.path().filename().string();
  if (is_temporary_name(name) || !may_be_regular_file(entry)) return std::nullopt;
  const std::string path = directory + "/" + name;
  const FileDescriptor fd = open_regular_file(directory_fd, name, path);
  if (!may_be_image(fd.get(), name, path)) return std::nullopt;
  struct stat status;
  if (fstat(fd.get(), &status) != 0) throw system_error(errno, path);
  return DirectoryImage{.name = name,
                        .is_link = is_link(entry),
                        .file = {status.st_dev, status.st_ino},
                        .sets = read_filesystem_file(fd.get(), path).sets};
}

}  // namespace

std::vector<DirectoryImage> find_images(int directory_fd, const std::string& directory,
                                        const UnreadableImage& unreadable) {
  std::vector<DirectoryImage> images;
  for_each_entry(directory, [&](const fs::directory_entry& entry) {
    try {
      if (auto image = read_image(directory_fd, directory, entry)) {
        images.push_back(*std::move(image));
      }
    } catch (const Error& error) {
      if (!unreadable) throw;
      unreadable(error);
    }
  });
  std::ranges::sort(images, {}, &DirectoryImage::name);
  return images;
}

std::vector<format::RegionSet> region_sets_if_image(int fd) {
  try {
    return read_filesystem_file(fd, {}).sets;
  } catch (const Error&) {
    return {};
  }
}

std::vector<std::string> region_file_names(std::span<const format::RegionSet> sets) {
  std::vector<std::string> names;
  for (const format::RegionSet& set : sets) {
    for (std::uint16_t index = 0; index < set.count; ++index) {
      names.push_back(region_file_name(set.id, index));
      names.push_back(object_id_file_name(set.id, index));
    }
  }
  std::ranges::sort(names);
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::vector<std::string> names_in(const std::string& directory) {
  std::vector<std::string> names;
  for_each_entry(directory, [&](const fs::directory_entry& entry) {
    names.push_back(entry.path().filename().string());
  });
  return names;
}

}  // namespace cim
