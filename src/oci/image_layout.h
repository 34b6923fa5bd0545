// What is where in an image layout of OCI.
#pragma once

#include <string>

#include "oci/files.h"

namespace cim::oci {

inline constexpr const char* layout_file = "oci-layout";
inline constexpr const char* index_file = "index.json";
inline constexpr const char* blob_directory = "blobs/sha256";

// What tells one image in index.json from the others.
inline constexpr const char* tag_annotation = "org.opencontainers.image.ref.name";

inline constexpr const char* manifest_type = "application/vnd.oci.image.manifest.v1+json";
inline constexpr const char* config_type = "application/vnd.oci.image.config.v1+json";
inline constexpr const char* layer_type = "application/vnd.oci.image.layer.v1.tar";  // plain

// The path of the blob with a digest that check_digest() accepts.
std::string path_of_blob(const std::string& digest);

// Throws Error, naming the file: file_not_found (there is no layout), unsupported (its version).
void check_layout(const Files& files);

// Whether an image in a layout can be called `tag`: parts of letters and digits with one of
// `-._:@+` or `--` between them, and `/` between groups of these.
bool is_tag(const std::string& tag);

}  // namespace cim::oci
