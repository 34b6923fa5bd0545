// A layer of a container -> an image.
#include "transfer/layer_import.h"

#include <fmt/format.h>

#include "image/region.h"
#include "transfer/entry_sink.h"

namespace cim::transfer {
namespace {

using System = LayerSource::System;

const char* name_of(System system) { return system == System::windows ? "Windows" : "Linux"; }

// Throws Error if a layer of `system` cannot be on `parent`.
void check_parent(const Image& parent, System system, const std::string& layer) {
  const System below = system_of(parent);
  if (below == system) return;
  throw Error(Errc::invalid_argument, fmt::format("is a layer of {}, but {} is of {}",
                                                  name_of(system), parent.path(), name_of(below)))
      .with_path(layer);
}

}  // namespace

LayerImport::LayerImport(Writer::Options options, Input& layer, const std::string& name,
                         std::optional<System> system, Progress& progress) {
  ImportOptions import_options;
  if (options.existing) {
    import_options.base = &parent_.emplace(path_in(options.directory, *options.existing));
  }
  LayerSource source(layer, name, system, import_options, progress);
  if (parent_) check_parent(*parent_, source.system(), name);
  const bool is_windows = source.system() == System::windows;
  import_options.case_insensitive = is_windows;
  options.case_insensitive = is_windows;
  options.expand_executables = is_windows;
  writer_.emplace(options);
  store_entries(source, *writer_, import_options, progress);
  incomplete_ = source.incomplete();
}

}  // namespace cim::transfer
