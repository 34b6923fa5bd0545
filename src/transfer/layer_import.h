// A layer of a container -> an image.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include <cim/image.h>
#include <cim/writer.h>

#include "transfer/import_options.h"
#include "transfer/input.h"
#include "transfer/layer_source.h"
#include "transfer/progress.h"

namespace cim::transfer {

// Makes an image of a layer, on that of the layer below. For one thread at a time. Not thread-safe,
// as import_archive().
class LayerImport {
 public:
  // Reads `layer`, an archive without compression that `name` names in messages, to its end, and
  // stores it. `options` describe the image to make; options.existing is that of the layer below,
  // if there is one; what depends on the system is set. `system` is what the layer is of, if that
  // is known.
  //
  // Throws Error as LayerSource, store_entries() and Writer do; invalid_argument if the layer and
  // the one below are of different systems.
  LayerImport(Writer::Options options, Input& layer, const std::string& name,
              std::optional<LayerSource::System> system, Progress& progress);

  // The number of members that were left out after a warning each.
  std::uint64_t incomplete() const noexcept { return incomplete_; }

  // Writer::commit(): until then, there is no image.
  void commit() { writer_->commit(); }

 private:
  std::optional<Image> parent_;
  std::optional<Writer> writer_;
  std::uint64_t incomplete_ = 0;
};

}  // namespace cim::transfer
