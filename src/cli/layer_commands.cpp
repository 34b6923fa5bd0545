// cim import-layer
#include <memory>
#include <optional>
#include <string>

#include <cim/image.h>
#include <cim/writer.h>
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/input_archive.h"
#include "cli/new_image.h"
#include "cli/progress_report.h"
#include "transfer/entry_sink.h"
#include "transfer/layer_source.h"

namespace cim::cli {
namespace {

using System = transfer::LayerSource::System;

struct ImportLayerOptions {
  std::string image;
  std::string layer;
  std::optional<std::string> parent;
  bool force = false;
};

const char* name_of(System system) { return system == System::windows ? "Windows" : "Linux"; }

// Throws Error if a layer of `system` cannot be on `parent`.
void check_parent(const Image& parent, System system, const std::string& layer) {
  const System below = parent.case_sensitive() ? System::linux : System::windows;
  if (below == system) return;
  throw Error(Errc::invalid_argument, fmt::format("is a layer of {}, but {} is of {}",
                                                  name_of(system), parent.path(), name_of(below)))
      .with_path(layer);
}

void import_layer(const ImportLayerOptions& options) {
  check_arguments_of_create(options.image, std::nullopt, options.force);
  const InputArchive archive(options.layer);
  transfer::ImportOptions import_options;
  std::optional<Image> parent;
  if (options.parent) import_options.base = &parent.emplace(*options.parent);
  ProgressReport report(options.image, {});
  transfer::LayerSource source(archive.fd(), archive.name(), import_options, report);
  const bool is_windows = source.system() == System::windows;
  if (parent) check_parent(*parent, source.system(), archive.name());
  import_options.case_insensitive = is_windows;

  Writer::Options writer_options = new_image_options(options.image, options.parent, "--parent");
  writer_options.case_insensitive = is_windows;
  writer_options.expand_executables = is_windows;
  writer_options.replace = options.force;
  Writer writer(writer_options);
  transfer::store_entries(source, writer, import_options, report);
  writer.commit();
  if (source.incomplete() == 0) return;
  throw Error(Errc::unsupported,
              fmt::format("made without {} member{} of the layer", source.incomplete(),
                          source.incomplete() == 1 ? "" : "s"));
}

}  // namespace

void add_layer_commands(Command app) {
  const Command command = app.add_subcommand(
      "import-layer", "Make an image of a layer of a container, for Windows or Linux");
  const auto options = std::make_shared<ImportLayerOptions>();
  add_image_argument(command, options->image);
  command
      .add_option("LAYER", options->layer,
                  "The layer: a tar archive, compressed or not;\n"
                  "'-': standard input")
      .required();
  command
      .add_option("--parent", options->parent,
                  "The image of the layer below, in the same\n"
                  "directory, whose files are shared")
      .type_name("PARENT");
  command.add_flag("-f,--force", options->force, "Replace the image if it exists");
  set_action(command, options->image, [options] { import_layer(*options); });
}

}  // namespace cim::cli
