// Images -> a container image.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "oci/container_image.h"
#include "oci/files.h"
#include "oci/layout_writer.h"
#include "oci/platform.h"
#include "transfer/progress.h"

namespace cim::oci {

// The container image that an image builds on.
struct BaseImage {
  const ContainerImage& image;
  const Files& files;  // that it is in
};

struct ImageExportOptions {
  std::string image;                 // the path of the topmost image
  std::string tag;                   // of the container image
  std::string compression;           // of its layers: gzip or zstd
  std::optional<Platform> platform;  // instead of this machine's; a base has its own
};

// Makes a container image of an image: a layer of each of the images in its directory that it
// builds on, and of itself, with what changed since the one below. An image that is missing there
// has no layer of its own. Equal images give equal container images, byte for byte.
//
// With a base, those of its layers that the image builds on are taken over as they are, and so is
// its configuration; import_image() has named their images.
//
// Returns the number of warnings, as export_layer() does. Until it returns, the layout is what it
// was.
//
// Throws Error: invalid_argument (the image does not build on the base, or is for another system
// than the platform), file_not_found and corrupt (a layer of the base), and those of
// export_layer() and LayoutWriter.
std::uint64_t export_image(const ImageExportOptions& options, const std::optional<BaseImage>& base,
                           LayoutWriter& layout, transfer::Progress& progress);

}  // namespace cim::oci
