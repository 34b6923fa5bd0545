// The images of layers that build on one another.
#include "oci/image_chain.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <map>
#include <utility>

#include <boost/filesystem.hpp>
#include <cim/error.h>
#include <fcntl.h>
#include <fmt/format.h>

#include "image/file_descriptor.h"
#include "image/region.h"
#include "oci/digest.h"

namespace cim::oci {
namespace {

using RegionSets = std::vector<format::RegionSet>;

RegionSets region_sets_of(const std::string& path) {
  const FileDescriptor file = open_regular_file(AT_FDCWD, path, path);
  return read_filesystem_file(file.get(), path).sets;
}

bool starts_with(const RegionSets& sets, const RegionSets& start) {
  const auto same_id = [](const format::RegionSet& a, const format::RegionSet& b) {
    return std::memcmp(&a.id, &b.id, sizeof(a.id)) == 0;
  };
  return std::ranges::mismatch(sets, start, same_id).in2 == start.end();
}

}  // namespace

std::vector<std::string> image_names_of(const std::vector<Layer>& layers) {
  std::vector<std::string> names;
  std::string chain_id;
  for (const Layer& layer : layers) {
    chain_id = chain_id.empty() ? layer.diff_id : sha256(chain_id + " " + layer.diff_id);
    names.push_back(fmt::format("sha256-{}.cim", hex_of(chain_id)));
  }
  return names;
}

ImageChain find_chain(const std::string& path, const UnreadableImage& unreadable) {
  const RegionSets sets = region_sets_of(path);
  ImageChain chain = {.directory = directory_of(path), .images = {}};
  const FileDescriptor fd(open(chain.directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) throw system_error(errno, chain.directory);
  std::map<std::size_t, std::set<std::string>> links;  // by their numbers of region sets
  links[sets.size()].insert(boost::filesystem::path(follow_link(path)).filename().string());
  for (DirectoryImage& image : find_images(fd.get(), chain.directory, unreadable)) {
    if (starts_with(sets, image.sets)) links[image.sets.size()].insert(std::move(image.name));
  }
  for (auto& [size, names] : links) chain.images.push_back(std::move(names));
  return chain;
}

}  // namespace cim::oci
