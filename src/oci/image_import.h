// A container image -> images.
#pragma once

#include <string>

#include "oci/container_image.h"
#include "oci/files.h"
#include "transfer/progress.h"

namespace cim::oci {

struct ImageImportOptions {
  std::string directory;  // of all images that are made
  std::string name;       // of the image
  bool replace = false;   // an image that has the name
};

// Makes an image of each layer of `image`, a fork of the one below. It is called after the chain id
// of OCI, which depends on the layers below, too: "sha256-", its digits and ".cim". Layers that are
// there already are not read. Then gives the topmost one the name `options.name` as well: a copy of
// the filesystem file, which shares all else.
//
// Each layer is checked as it is read: size, digest, and diff id. If anything fails, all layers
// made by then are removed again.
//
// Throws Error: corrupt (a layer is not what the image says), file_not_found (its file is missing),
// unsupported (it has members that an image cannot have), and those of LayerImport and
// copy_image(). Not thread-safe, as LayerImport.
void import_image(const ContainerImage& image, const Files& files,
                  const ImageImportOptions& options, transfer::Progress& progress);

}  // namespace cim::oci
