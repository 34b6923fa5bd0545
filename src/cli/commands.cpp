// Code that the subcommands of cim share.
#include "cli/commands.h"

#include <utility>
#include <vector>

#include <cim/error.h>

namespace cim::cli {
namespace {

// CLI11 reads the value `[a,b]` of an argument with several values as two values, but it is one
// file name. A NUL at its end, which no argument of a program has, prevents that.
std::string protect_brackets(std::string argument) {
  if (argument.starts_with('[') && argument.ends_with(']')) argument += '\0';
  return argument;
}

// Removes the NULs of protect_brackets().
void take_brackets_literally(CLI::App& app) {
  const auto strip = [](std::string& value) {
    if (value.ends_with('\0')) value.pop_back();
    return std::string();  // valid
  };
  for (CLI::App* command : app.get_subcommands({})) {
    for (CLI::Option* option : command->get_options()) {
      option->transform(CLI::Validator(strip, ""));
    }
  }
}

}  // namespace

void add_image_argument(CLI::App& command, std::string& image) {
  command.add_option("IMAGE", image, "The image: the path of its .cim file")->required();
}

void add_json_flag(CLI::App& command, bool& json) {
  command.add_flag("--json", json, "Print JSON");
}

void parse(CLI::App& app, int argc, const char* const* argv) {
  take_brackets_literally(app);
  std::vector<std::string> arguments;  // CLI11 wants them in reverse
  for (int index = argc - 1; index > 0; --index) arguments.push_back(protect_brackets(argv[index]));
  app.parse(std::move(arguments));
}

void set_action(CLI::App& command, const std::string& image, std::function<void()> run) {
  command.callback([&image, run = std::move(run)] {
    try {
      run();
    } catch (const Error& error) {
      throw error.with_image(image);
    }
  });
}

}  // namespace cim::cli
