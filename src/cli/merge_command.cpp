// cim merge
#include <memory>
#include <string>
#include <vector>

#include <cim/writer.h>

#include "cli/commands.h"
#include "cli/image_name.h"
#include "cli/new_image.h"

namespace cim::cli {
namespace {

struct MergeOptions {
  std::string image;
  std::vector<std::string> layers;
  bool force = false;
};

void merge(const MergeOptions& options) {
  check_arguments_of_create(options.image, std::nullopt, options.force);
  Writer::Options image = new_image_options(options.image, std::nullopt, {});
  image.replace = options.force;
  image.complete_descriptors = false;  // nothing is created but what the layers have
  std::vector<std::string> names;
  for (const std::string& layer : options.layers) {
    names.push_back(sharing_image_name(layer, options.image, "LAYER_IMAGE"));
  }
  Writer writer(image);
  writer.merge(names);
  writer.commit();
}

}  // namespace

void add_merge_command(Command app) {
  const Command command =
      app.add_subcommand("merge", "Make one image of several, without copying data");
  const auto options = std::make_shared<MergeOptions>();
  add_image_argument(command, options->image);
  command
      .add_option("LAYER_IMAGE", options->layers,
                  "The images to merge, in the same directory, whose\n"
                  "files are shared: the topmost, which hides what the\n"
                  "others have, to the lowest")
      .required();
  command.add_flag("-f,--force", options->force, "Replace the image if it exists");
  set_action(command, options->image, [options] { merge(*options); });
}

}  // namespace cim::cli
