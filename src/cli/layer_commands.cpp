// cim import-layer, export-layer
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <cim/image.h>
#include <cim/writer.h>
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/input_archive.h"
#include "cli/new_image.h"
#include "cli/output_file.h"
#include "cli/progress_report.h"
#include "transfer/decompressed_input.h"
#include "transfer/input.h"
#include "transfer/layer_export.h"
#include "transfer/layer_import.h"

namespace cim::cli {
namespace {

struct ImportLayerOptions {
  std::string image;
  std::string layer;
  std::optional<std::string> parent;
  bool force = false;
};

void import_layer(const ImportLayerOptions& options) {
  check_arguments_of_create(options.image, std::nullopt, options.force);
  const InputArchive archive(options.layer);
  Writer::Options image = new_image_options(options.image, options.parent, "--parent");
  image.replace = options.force;
  ProgressReport report(options.image, {});
  transfer::FileInput file(archive.fd());
  transfer::DecompressedInput layer(file);
  transfer::LayerImport import(image, layer, archive.name(), std::nullopt, report);
  import.commit();
  if (import.incomplete() == 0) return;
  throw Error(Errc::unsupported,
              fmt::format("made without {} member{} of the layer", import.incomplete(),
                          import.incomplete() == 1 ? "" : "s"));
}

struct ExportLayerOptions {
  std::string image;
  std::optional<std::string> parent;
  std::string tar = "-";
};

void export_layer(const ExportLayerOptions& options) {
  const Image image(options.image);
  std::optional<Image> parent;
  std::vector<std::string> images = {options.image};
  if (options.parent) {
    parent.emplace(*options.parent);
    images.push_back(*options.parent);
  }
  OutputFile file(options.tar, images);
  transfer::FileOutput output(file.fd(), file.name());
  ProgressReport report(options.image, {});
  const std::uint64_t incomplete =
      transfer::export_layer(image, parent ? &*parent : nullptr, output, report);
  file.keep();
  if (incomplete == 0) return;
  throw Error(Errc::unsupported,
              fmt::format("exported with {} warning{}", incomplete, incomplete == 1 ? "" : "s"));
}

void add_import_layer_command(Command app) {
  const Command command =
      app.add_subcommand("import-layer", "Make an image of a layer of a container image");
  const auto options = std::make_shared<ImportLayerOptions>();
  add_image_argument(command, options->image);
  command
      .add_option("LAYER", options->layer,
                  "The layer, for Windows or Linux: a tar archive,\n"
                  "compressed or not; '-': standard input")
      .required();
  command
      .add_option("--parent", options->parent,
                  "The image of the layer below, in the same\n"
                  "directory, whose files are shared")
      .type_name("PARENT");
  command.add_flag("-f,--force", options->force, "Replace the image if it exists");
  set_action(command, options->image, [options] { import_layer(*options); });
}

void add_export_layer_command(Command app) {
  const Command command =
      app.add_subcommand("export-layer", "Write what an image changes as a layer");
  const auto options = std::make_shared<ExportLayerOptions>();
  add_image_argument(command, options->image);
  command
      .add_option("--parent", options->parent,
                  "Only what has changed since this image, the layer\n"
                  "below; fast if IMAGE is a fork of it")
      .type_name("PARENT");
  command
      .add_option("--tar", options->tar,
                  "Write to this file; default, or '-': standard\n"
                  "output")
      .type_name("FILE");
  set_action(command, options->image, [options] { export_layer(*options); });
}

}  // namespace

void add_layer_commands(Command app) {
  add_import_layer_command(app);
  add_export_layer_command(app);
}

}  // namespace cim::cli
