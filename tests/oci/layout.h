// Container images, made for tests.
#pragma once

#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

namespace cim::oci {

using Json = nlohmann::json;

// The bytes of an archive of regular files: paths and contents, in this order. A path that contains
// "->" is that of a symbolic link: "path->target".
std::string tar(const std::vector<std::pair<std::string, std::string>>& members);

// `bytes`, compressed by the filter of libarchive of this name: "gzip", "zstd"; "none".
std::string compressed(const std::string& bytes, const std::string& filter);

// The files of an image layout; tests may change them.
class Layout {
 public:
  Layout();

  // Adds a blob, and returns its descriptor.
  Json blob(const std::string& bytes, const std::string& media_type = {});

  // Adds the manifest of an image with these layers, archives without compression, and its
  // configuration for the platform. Returns its descriptor, without a platform.
  Json image(const std::vector<std::string>& layers, const Json& platform = linux_amd64(),
             const std::string& filter = "gzip");

  // Makes `manifests` the index.
  void index(const std::vector<Json>& manifests);

  // Writes all files to a directory, or returns them as an archive.
  void write(const std::string& directory) const;
  std::string archive() const;

  static Json linux_amd64() { return {{"os", "linux"}, {"architecture", "amd64"}}; }

  std::map<std::string, std::string> files;  // by their paths
};

std::string path_of_blob(const Json& descriptor);

}  // namespace cim::oci
