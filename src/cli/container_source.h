// A container image that a command reads.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "oci/container_image.h"
#include "oci/files.h"
#include "oci/platform.h"

namespace cim::cli {

// A path, and a tag if it is followed by one.
struct TaggedPath {
  std::string path;
  std::optional<std::string> tag;
};

// Reads PATH:TAG or PATH.
TaggedPath parse_tagged_path(const std::string& text);

// What the value of --platform says. Throws UsageError.
oci::Platform parse_platform_option(const std::string& value);

// What SOURCE stands for: a directory or an archive, `-`, or oci:PATH[:TAG], as skopeo(1) names
// layouts.
class ContainerSource {
 public:
  // Opens the source and finds the image. An archive that is to be unpacked first is in
  // `spool_directory`. Throws Error, UsageError for a bad platform.
  ContainerSource(const std::string& source, const std::optional<std::string>& platform,
                  const std::string& spool_directory);

  const oci::Files& files() const noexcept { return *files_; }
  const oci::ContainerImage& image() const noexcept { return image_; }

 private:
  std::unique_ptr<oci::Files> files_;
  oci::ContainerImage image_;
};

}  // namespace cim::cli
