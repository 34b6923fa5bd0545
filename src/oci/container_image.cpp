// Container images: which layers they have.
#include "oci/container_image.h"

#include <algorithm>
#include <set>
#include <string_view>
#include <utility>

#include <cim/error.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "oci/digest.h"
#include "oci/image_layout.h"
#include "oci/json.h"

namespace cim::oci {
namespace {

constexpr int max_index_depth = 8;
constexpr std::size_t max_manifests = 10'000;

// A reference to a blob.
struct Descriptor {
  std::string digest;
  std::uint64_t size = 0;
  std::string media_type;
  std::optional<Platform> platform;
  std::string tag;
  std::string full_name;  // as containerd calls the image
  bool is_attestation = false;
  std::vector<std::string> urls;

  // What tells it from others in a layout; may be empty.
  const std::string& name() const { return full_name.empty() ? tag : full_name; }
};

Platform platform_of(const Json& object) {
  return {.os = string_member(object, "os"),
          .architecture = string_member(object, "architecture"),
          .variant = string_member(object, "variant"),
          .os_version = string_member(object, "os.version")};
}

Descriptor descriptor_of(const Json& object) {
  Descriptor descriptor = {.digest = string_member(object, "digest"),
                           .size = size_member(object, "size"),
                           .media_type = string_member(object, "mediaType"),
                           .platform = {},
                           .tag = {},
                           .full_name = {},
                           .urls = {}};
  check_digest(descriptor.digest);
  const Json& platform = object_member(object, "platform");
  if (!platform.empty()) descriptor.platform = platform_of(platform);
  const Json& annotations = object_member(object, "annotations");
  descriptor.tag = string_member(annotations, tag_annotation);
  descriptor.full_name = string_member(annotations, "io.containerd.image.name");
  descriptor.is_attestation =
      (descriptor.platform && descriptor.platform->os == "unknown") ||
      string_member(annotations, "vnd.docker.reference.type") == "attestation-manifest";
  for (const Json& url : array_member(object, "urls")) descriptor.urls.push_back(string_of(url));
  return descriptor;
}

Error failure(Errc code, const Files& files, const std::string& reason) {
  return Error(code, reason).with_path(files.name());
}

Error no_such_tag(const Files& files, const std::string& tag, const std::set<std::string>& all) {
  return failure(Errc::file_not_found, files,
                 all.empty()
                     ? "has no tags"
                     : fmt::format("has no tag '{}'; it has: {}", tag, fmt::join(all, ", ")));
}

Error several_images(const Files& files, const std::set<std::string>& tags) {
  return failure(Errc::invalid_argument, files,
                 fmt::format("has several images; choose with oci:{}:TAG from: {}", files.name(),
                             fmt::join(tags, ", ")));
}

// A blob of JSON, checked.
Json read_blob(const Files& files, const Descriptor& descriptor) {
  return about(files, descriptor.digest, [&] {
    const std::string text = read_json_file(files, path_of_blob(descriptor.digest));
    if (text.size() != descriptor.size) {
      throw Error(Errc::corrupt,
                  fmt::format("has {} bytes instead of {}", text.size(), descriptor.size));
    }
    if (sha256(text) != descriptor.digest) {
      throw Error(Errc::corrupt, "its content has another digest");
    }
    return parse_json(text);
  });
}

// The diff ids that a configuration lists.
std::vector<std::string> diff_ids_of(const Json& config) {
  std::vector<std::string> ids;
  for (const Json& id : array_member(object_member(config, "rootfs"), "diff_ids")) {
    ids.push_back(string_of(id));
    check_digest(ids.back());
  }
  if (ids.empty()) {
    throw Error(Errc::file_not_found, "lists no layers in rootfs.diff_ids, as an image does");
  }
  return ids;
}

void check_number_of_layers(std::size_t layers, std::size_t diff_ids) {
  if (layers == diff_ids) return;
  throw Error(Errc::corrupt,
              fmt::format("has {} layers, but its configuration has {}", layers, diff_ids));
}

bool is_manifest_with_platform(const Descriptor& descriptor) {
  return descriptor.platform &&
         (descriptor.media_type == "application/vnd.oci.image.manifest.v1+json" ||
          descriptor.media_type == "application/vnd.docker.distribution.manifest.v2+json");
}

// Finds the manifest in an image layout.
class LayoutReader {
 public:
  LayoutReader(const Files& files, const Choice& choice) : files_(files), choice_(choice) {}

  ContainerImage read() {
    check_layout(files_);
    const std::vector<Descriptor> entries =
        about(files_, index_file, [&] { return descriptors_of(read_json(files_, index_file)); });
    for (const Descriptor& entry : with_tag(entries)) add_candidates(entry, 0);
    return to_image(choose());
  }

 private:
  static std::vector<Descriptor> descriptors_of(const Json& index) {
    std::vector<Descriptor> descriptors;
    for (const Json& element : array_member(index, "manifests")) {
      Descriptor descriptor = descriptor_of(object_of(element));
      if (!descriptor.is_attestation) descriptors.push_back(std::move(descriptor));
    }
    return descriptors;
  }

  // Those of `entries` that the tag means. Entries without a tag count only if none has one.
  std::vector<Descriptor> with_tag(const std::vector<Descriptor>& entries) const {
    std::vector<Descriptor> chosen;
    std::set<std::string> all;
    for (const Descriptor& entry : entries) {
      if (!entry.name().empty()) all.insert(entry.name());
      const bool is_meant = choice_.tag ? entry.tag == *choice_.tag || entry.name() == *choice_.tag
                                        : !entry.name().empty();
      if (is_meant) chosen.push_back(entry);
    }
    if (!choice_.tag && all.empty()) return entries;
    if (chosen.empty()) throw no_such_tag(files_, *choice_.tag, all);
    std::set<std::string> names;
    std::set<std::string> digests;
    for (const Descriptor& entry : chosen) {
      names.insert(entry.name());
      digests.insert(entry.digest);
    }
    if (names.size() > 1 && digests.size() > 1) throw several_images(files_, names);
    return chosen;
  }

  // Adds the manifests that `descriptor` leads to. One whose platform is known is not read: only
  // the chosen one must be there.
  void add_candidates(const Descriptor& descriptor, int depth) {
    if (!seen_.insert(descriptor.digest).second) return;
    if (depth > max_index_depth || seen_.size() > max_manifests) {
      throw failure(Errc::limit_exceeded, files_, "has too many manifests");
    }
    if (is_manifest_with_platform(descriptor)) return candidates_.push_back(descriptor);
    const Json document = read_blob(files_, descriptor);
    const bool is_index = document.contains("manifests");
    if (!is_index) {
      Descriptor manifest = descriptor;
      if (!manifest.platform) manifest.platform = platform_of(config_of(descriptor, document));
      return candidates_.push_back(std::move(manifest));
    }
    const auto children = about(files_, descriptor.digest, [&] {
      if (document.contains("layers")) {
        throw Error(Errc::corrupt, "is an index and a manifest at once");
      }
      return descriptors_of(document);
    });
    for (const Descriptor& child : children) add_candidates(child, depth + 1);
  }

  // The configuration that `manifest`, the blob of `descriptor`, refers to.
  Json config_of(const Descriptor& descriptor, const Json& manifest) const {
    return read_blob(files_, about(files_, descriptor.digest, [&] {
                       const Json& config = object_member(manifest, "config");
                       if (config.empty()) throw Error(Errc::unsupported, "has no configuration");
                       return descriptor_of(config);
                     }));
  }

  const Descriptor& choose() const {
    std::vector<const Descriptor*> chosen;
    const bool any_will_do = candidates_.size() == 1 && !choice_.platform;
    const Platform wanted = choice_.platform.value_or(host_platform());
    for (const Descriptor& candidate : candidates_) {
      if (any_will_do || matches(*candidate.platform, wanted)) chosen.push_back(&candidate);
    }
    if (chosen.size() == 1) return *chosen.front();
    if (candidates_.empty()) throw failure(Errc::file_not_found, files_, "has no image");
    std::set<std::string> platforms;
    for (const Descriptor& candidate : candidates_)
      platforms.insert(to_string(*candidate.platform));
    throw failure(chosen.empty() ? Errc::file_not_found : Errc::invalid_argument, files_,
                  fmt::format("has {} for {}; --platform can choose from: {}",
                              chosen.empty() ? "no image" : "several images", to_string(wanted),
                              fmt::join(platforms, ", ")));
  }

  ContainerImage to_image(const Descriptor& chosen) const {
    const Json manifest = read_blob(files_, chosen);
    const Json config = config_of(chosen, manifest);
    return about(files_, chosen.digest, [&] {
      if (manifest.contains("manifests")) {
        throw Error(Errc::corrupt, "is an index, though it is said to be a manifest");
      }
      ContainerImage image = {
          .platform = platform_of(config), .layers = {}, .config = config.dump()};
      const std::vector<std::string> diff_ids = diff_ids_of(config);
      const Json& layers = array_member(manifest, "layers");
      check_number_of_layers(layers.size(), diff_ids.size());
      for (std::size_t index = 0; index < layers.size(); ++index) {
        Descriptor layer = descriptor_of(object_of(layers[index]));
        image.layers.push_back({.diff_id = diff_ids[index],
                                .path = path_of_blob(layer.digest),
                                .digest = layer.digest,
                                .size = layer.size,
                                .media_type = layer.media_type,
                                .urls = std::move(layer.urls)});
      }
      return image;
    });
  }

  const Files& files_;
  const Choice& choice_;
  std::set<std::string> seen_;  // digests
  std::vector<Descriptor> candidates_;
};

// Finds the image in what `docker save` makes.
class DockerReader {
 public:
  DockerReader(const Files& files, const Choice& choice) : files_(files), choice_(choice) {}

  ContainerImage read() const {
    return about(files_, "manifest.json", [&] {
      const Json manifests = read_json(files_, "manifest.json");
      if (!manifests.is_array()) throw Error(Errc::corrupt, "is not an array");
      return to_image(choose(manifests));
    });
  }

 private:
  // A manifest has several tags, or none.
  const Json& choose(const Json& manifests) const {
    std::set<std::string> tags;
    std::vector<const Json*> chosen;
    for (const Json& manifest : manifests) {
      bool is_meant = !choice_.tag;
      for (const Json& element : array_member(object_of(manifest), "RepoTags")) {
        const std::string tag = string_of(element);
        tags.insert(tag);
        is_meant = is_meant || tag == choice_.tag;
      }
      if (is_meant) chosen.push_back(&manifest);
    }
    if (chosen.size() == 1) return *chosen.front();
    if (chosen.size() > 1) throw several_images(files_, tags);
    if (choice_.tag) throw no_such_tag(files_, *choice_.tag, tags);
    throw failure(Errc::file_not_found, files_, "has no image");
  }

  ContainerImage to_image(const Json& manifest) const {
    const std::string config_path = string_member(manifest, "Config");
    const Json config = about(files_, config_path, [&] { return read_config(config_path); });
    ContainerImage image = {.platform = platform_of(config), .layers = {}, .config = config.dump()};
    check_platform(image.platform);
    const auto diff_ids = about(files_, config_path, [&] { return diff_ids_of(config); });
    const Json& layers = array_member(manifest, "Layers");
    check_number_of_layers(layers.size(), diff_ids.size());
    for (std::size_t index = 0; index < layers.size(); ++index) {
      image.layers.push_back({.diff_id = diff_ids[index],
                              .path = string_of(layers[index]),
                              .digest = {},
                              .media_type = {},
                              .urls = {}});
    }
    return image;
  }

  // The name of the file is its digest.
  Json read_config(const std::string& path) const {
    const std::string text = read_json_file(files_, path);
    std::string_view name(path);
    name.remove_prefix(name.rfind('/') + 1);  // npos + 1 is 0
    if (name.starts_with("sha256:")) name = hex_of(name);
    if (name.ends_with(".json")) name.remove_suffix(5);
    if (is_hex_of_sha256(name) && hex_of(sha256(text)) != name) {
      throw Error(Errc::corrupt, "its content has another digest");
    }
    return parse_json(text);
  }

  void check_platform(const Platform& platform) const {
    if (!choice_.platform || matches(platform, *choice_.platform)) return;
    throw failure(Errc::file_not_found, files_,
                  fmt::format("has no image for {}; --platform can choose from: {}",
                              to_string(*choice_.platform), to_string(platform)));
  }

  const Files& files_;
  const Choice& choice_;
};

std::string advice_on(const Layer& layer) {
  if (layer.urls.empty()) return {};
  return fmt::format("; it is to be had from {}, and belongs at {}", fmt::join(layer.urls, " or "),
                     layer.path);
}

}  // namespace

StoredFile file_of(const Layer& layer, const Files& files) {
  auto file = files.find(layer.path);
  if (!file) throw Error(Errc::file_not_found, "is missing" + advice_on(layer));
  if (!layer.digest.empty() && file->size != layer.size) {
    throw Error(Errc::corrupt, fmt::format("has {} bytes instead of {}", file->size, layer.size));
  }
  return *std::move(file);
}

void check_file_digest(const Layer& layer, const std::string& digest) {
  if (layer.digest.empty() || digest == layer.digest) return;
  throw Error(Errc::corrupt, fmt::format("its content has another digest, {}", digest));
}

void check_archive_digest(const Layer& layer, const std::string& digest) {
  if (digest == layer.diff_id) return;
  throw Error(Errc::corrupt,
              fmt::format("unpacked, its digest is {} instead of {}", digest, layer.diff_id));
}

ContainerImage find_image(const Files& files, const Choice& choice) {
  if (files.find(layout_file)) return LayoutReader(files, choice).read();
  if (files.find("manifest.json")) return DockerReader(files, choice).read();
  throw failure(Errc::file_not_found, files,
                "is no container image: it has neither oci-layout nor manifest.json");
}

}  // namespace cim::oci
