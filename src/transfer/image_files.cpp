// The files on disk that an image consists of.
#include "transfer/image_files.h"

#include <cim/image.h>

namespace cim::transfer {
namespace {

void add_file(std::set<FileKey>& files, const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) == 0) files.insert(key_of(status));
}

// The object id file of the region file `region`.
std::string object_id_path(const std::string& region) {
  const std::size_t name = region.rfind('/') + 1;  // 0 if there is no `/`
  return region.substr(0, name) + "objectid" + region.substr(region.find('_', name));
}

}  // namespace

FileKey key_of(const struct stat& status) { return {status.st_dev, status.st_ino}; }

std::set<FileKey> files_of_image(const std::string& path) {
  std::set<FileKey> files;
  add_file(files, path);
  try {
    for (const RegionSetInfo& set : Image(path).region_sets()) {
      for (const RegionInfo& region : set.regions) {
        add_file(files, region.path);
        add_file(files, object_id_path(region.path));
      }
    }
  } catch (const Error&) {
    // A file that cannot be read cannot be mistaken for the image being made.
  }
  return files;
}

}  // namespace cim::transfer
