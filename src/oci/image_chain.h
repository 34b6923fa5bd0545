// The images of layers that build on one another.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "oci/container_image.h"
#include "writer/image_directory.h"

namespace cim::oci {

// What the images of `layers` are called: each after its chain id, which depends on the layers
// below, too: "sha256-", its digits and ".cim".
std::vector<std::string> image_names_of(const std::vector<Layer>& layers);

// Images in `directory` that an image builds on, the lowest first, and the image itself: for each
// all its names there, as copies of an image have the same content.
struct ImageChain {
  std::string directory;
  std::vector<std::set<std::string>> images;
};

// The chain of the image at `path`. Links of it can be missing. Calls `unreadable` for each file
// beside it that may be an image but cannot be read. Throws Error if the image cannot be read.
ImageChain find_chain(const std::string& path, const UnreadableImage& unreadable);

}  // namespace cim::oci
