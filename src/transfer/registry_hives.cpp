// The hives of Windows' registry in the image of a layer.
#include "transfer/registry_hives.h"

namespace cim::transfer {

std::vector<std::string> unmerged_hives(const Image& image) {
  std::vector<std::string> paths;
  if (image.case_sensitive()) return paths;  // no layer of Windows
  for (const RegistryHive& hive : registry_hives) {
    if (image.resolve(hive.delta)) paths.push_back(image_to_linux_path(hive.delta));
  }
  return paths;
}

}  // namespace cim::transfer
