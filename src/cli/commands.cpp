// Code that the subcommands of cim share.
#include "cli/commands.h"

#include <utility>

#include <cim/error.h>

namespace cim::cli {

void add_image_argument(Command command, std::string& image) {
  command.add_option("IMAGE", image, "The image: the path of its .cim file").required();
}

Option add_json_flag(Command command, bool& json) {
  return command.add_flag("--json", json, "Print JSON");
}

void set_action(Command command, const std::string& image, std::function<void()> run) {
  command.set_action([&image, run = std::move(run)] {
    try {
      run();
    } catch (const Error& error) {
      throw error.with_image(image);
    }
  });
}

}  // namespace cim::cli
