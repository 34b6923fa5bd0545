// Images -> a container image.
#include "oci/image_export.h"

#include <algorithm>
#include <functional>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include <cim/error.h>
#include <cim/image.h>
#include <fmt/format.h>

#include "image/region.h"
#include "oci/digest.h"
#include "oci/image_chain.h"
#include "oci/image_layout.h"
#include "oci/json.h"
#include "transfer/compressed_output.h"
#include "transfer/decompressed_input.h"
#include "transfer/input.h"
#include "transfer/layer_export.h"

namespace cim::oci {
namespace {

// Equal images are to give equal bytes. Some programs cannot do without any time.
constexpr const char* no_time = "1970-01-01T00:00:00Z";

using WriteLayer = std::function<void(transfer::Output&)>;

// The type that OCI has for what may be one of Docker; empty if it is unknown.
std::string layer_type_of(std::string_view type) {
  if (type.starts_with("application/vnd.oci.image.layer.")) return std::string(type);
  constexpr std::string_view docker = "application/vnd.docker.image.rootfs.diff.tar";
  if (!type.starts_with(docker)) return {};
  type.remove_prefix(docker.size());
  return layer_type + (type.empty() ? "" : "+" + std::string(type.substr(1)));
}

void copy(transfer::Input& input, transfer::Output& output, transfer::Progress& progress) {
  for (std::string_view block = input.next(); !block.empty(); block = input.next()) {
    output.write(std::as_bytes(std::span(block)));
    progress.advance({.bytes = block.size()});
  }
}

Json descriptor_of(const std::string& type, const Blob& blob) {
  return {{"mediaType", type}, {"digest", blob.digest}, {"size", blob.size}};
}

// What `config` says of the history of its lowest `layers`.
Json history_of(const Json& config, std::size_t layers) {
  Json history = Json::array();
  std::size_t count = 0;
  for (const Json& entry : array_member(config, "history")) {
    const bool has_layer = !flag_member(object_of(entry), "empty_layer");
    if (has_layer && count == layers) break;
    if (has_layer) ++count;
    history.push_back(entry);
  }
  for (; count < layers; ++count) history.push_back({{"created", no_time}});
  return history;
}

class ImageExport {
 public:
  ImageExport(const ImageExportOptions& options, const std::optional<BaseImage>& base,
              LayoutWriter& layout, transfer::Progress& progress)
      : options_(options),
        base_(base),
        layout_(layout),
        progress_(progress),
        chain_(
            find_chain(options.image, [&](const Error& error) { progress.warn(error.what()); })) {}

  std::uint64_t run() {
    Json config = base_ ? parse_json(base_->image.config) : new_config();
    std::size_t next = 0;  // the next image of the chain to make a layer of
    if (base_) next = take_over_base();
    config["history"] = history_of(config, diff_ids_.size());
    for (; next < chain_.images.size(); ++next) {
      add_image(next);
      config["history"].push_back({{"created", no_time}, {"created_by", "cim export"}});
    }
    config["rootfs"] = {{"type", "layers"}, {"diff_ids", diff_ids_}};
    const Json manifest = {{"schemaVersion", 2},
                           {"mediaType", manifest_type},
                           {"config", descriptor_of(config_type, layout_.add(config))},
                           {"layers", layers_}};
    layout_.commit(options_.tag, layout_.add(manifest));
    return incomplete_;
  }

 private:
  Json new_config() const {
    const bool is_windows = !Image(options_.image).case_sensitive();
    Platform platform = host_platform();
    if (is_windows) platform.os = "windows";
    if (options_.platform) platform = *options_.platform;
    if (is_windows != (platform.os == "windows")) {
      throw Error(Errc::invalid_argument,
                  fmt::format("is for {}, and cannot be for {}", is_windows ? "Windows" : "Linux",
                              to_string(platform)))
          .with_image(options_.image);
    }
    Json config = {
        {"created", no_time}, {"os", platform.os}, {"architecture", platform.architecture}};
    if (!platform.variant.empty()) config["variant"] = platform.variant;
    if (!platform.os_version.empty()) config["os.version"] = platform.os_version;
    return config;
  }

  // Adds the layers of the base that the image builds on. Returns how many images of the chain have
  // them.
  std::size_t take_over_base() {
    const std::vector<Layer>& layers = base_->image.layers;
    const std::vector<std::string> names = image_names_of(layers);
    for (std::size_t count = names.size(); count > 0; --count) {
      const auto image = std::ranges::find_if(chain_.images, [&](const auto& its_names) {
        return its_names.contains(names[count - 1]);
      });
      if (image == chain_.images.end()) continue;
      for (std::size_t index = 0; index < count; ++index) take_over(layers[index]);
      return static_cast<std::size_t>(image - chain_.images.begin()) + 1;
    }
    throw Error(Errc::invalid_argument,
                fmt::format("builds on no layer of {}; the image of the topmost one would be {}, "
                            "in the same directory",
                            base_->files.name(), names.back()))
        .with_image(options_.image);
  }

  void take_over(const Layer& layer) {
    about(base_->files, layer.digest.empty() ? layer.path : layer.digest, [&] {
      const std::string type = layer_type_of(layer.media_type);
      if (layer.digest.empty() || type.empty()) return compress(layer);
      const Blob blob = {.digest = layer.digest, .size = layer.size};
      if (!layout_.has(blob)) copy_blob(layer);
      layers_.push_back(descriptor_of(type, blob));
      if (!layer.urls.empty()) layers_.back()["urls"] = layer.urls;
      diff_ids_.push_back(layer.diff_id);
    });
  }

  void copy_blob(const Layer& layer) {
    const StoredFile file = file_of(layer, base_->files);
    transfer::FilePartInput bytes(file.fd.get(), file.position, file.size);
    const Blob blob =
        layout_.add([&](transfer::Output& output) { copy(bytes, output, progress_); });
    check_file_digest(layer, blob.digest);
  }

  // Adds a layer that is not stored as a registry has it.
  void compress(const Layer& layer) {
    const StoredFile file = file_of(layer, base_->files);
    transfer::FilePartInput bytes(file.fd.get(), file.position, file.size);
    transfer::DecompressedInput archive(bytes);
    add_layer([&](transfer::Output& output) { copy(archive, output, progress_); });
    check_archive_digest(layer, diff_ids_.back());
  }

  // Adds what an image of the chain changes in the one below.
  void add_image(std::size_t index) {
    const Image image(path_of(index));
    std::optional<Image> parent;
    if (index > 0) parent.emplace(path_of(index - 1));
    add_layer([&](transfer::Output& output) {
      incomplete_ += transfer::export_layer(image, parent ? &*parent : nullptr, output, progress_);
    });
  }

  std::string path_of(std::size_t index) const {
    return path_in(chain_.directory, *chain_.images[index].begin());
  }

  void add_layer(const WriteLayer& write) {
    const Blob blob = layout_.add([&](transfer::Output& output) {
      transfer::CompressedOutput compressed(output, options_.compression);
      DigestedOutput archive(compressed);
      write(archive);
      compressed.finish();
      diff_ids_.push_back(archive.finish());
    });
    layers_.push_back(descriptor_of(layer_type + ("+" + options_.compression), blob));
  }

  const ImageExportOptions& options_;
  const std::optional<BaseImage>& base_;
  LayoutWriter& layout_;
  transfer::Progress& progress_;
  const ImageChain chain_;
  std::vector<std::string> diff_ids_;
  Json layers_ = Json::array();
  std::uint64_t incomplete_ = 0;
};

}  // namespace

std::uint64_t export_image(const ImageExportOptions& options, const std::optional<BaseImage>& base,
                           LayoutWriter& layout, transfer::Progress& progress) {
  return ImageExport(options, base, layout, progress).run();
}

}  // namespace cim::oci
