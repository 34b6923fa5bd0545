// Container images: which layers they have.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "oci/files.h"
#include "oci/platform.h"

namespace cim::oci {

struct Layer {
  std::string diff_id;            // the digest of the archive without compression
  std::string path;               // of the archive, compressed or not, in the files of the image
  std::string digest;             // of that file; empty if nobody says
  std::uint64_t size = 0;         // of that file; meaningless without a digest
  std::string media_type;         // empty if nobody says
  std::vector<std::string> urls;  // where the file is to be had
};

struct ContainerImage {
  Platform platform;
  std::vector<Layer> layers;  // the lowest first
  std::string config;         // the configuration, an object of JSON
};

// Which of several images is meant.
struct Choice {
  std::optional<std::string> tag;
  std::optional<Platform> platform;
};

// Finds an image in `files`: an image layout of OCI, or what `docker save` makes, without one.
//
// Without a tag, there must be only one, or none. Without a platform, the image is the only one, or
// else that of host_platform(). Manifests of attestations are not images. Digests and sizes of all
// that is read are checked.
//
// Throws Error, naming the file: file_not_found (no image, or not the one that is meant; a blob is
// missing), invalid_argument (the choice leaves several), corrupt, limit_exceeded, unsupported.
ContainerImage find_image(const Files& files, const Choice& choice);

// The file of a layer, which is not read yet. Throws Error with only a reason: file_not_found,
// corrupt (it has another size).
StoredFile file_of(const Layer& layer, const Files& files);

// Throws Error (corrupt) with only a reason if `digest`, that of the file of a layer or of the
// archive in it, is not what the image says.
void check_file_digest(const Layer& layer, const std::string& digest);
void check_archive_digest(const Layer& layer, const std::string& digest);

}  // namespace cim::oci
