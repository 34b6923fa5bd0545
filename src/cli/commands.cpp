// Code that the subcommands of cim share.
#include "cli/commands.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <cim/error.h>
#include <fmt/format.h>

#include "cli/help.h"

namespace cim::cli {
namespace {

// CLI11 reads the value `[a,b]` of an argument with several values as two values, but it is one
// file name. A NUL at its end, which no argument of a program has, prevents that.
std::string protect_brackets(std::string argument) {
  if (argument.starts_with('[') && argument.ends_with(']')) argument += '\0';
  return argument;
}

// Removes the NULs of protect_brackets().
std::string take_literally(std::string& value) {
  if (value.ends_with('\0')) value.pop_back();
  return {};  // valid
}

// What CLI11 would take for a value, but nobody means as one.
void refuse_odd_values(CLI::Option& option) {
  if (option.get_positional()) {
    // An empty path is an unset variable of a script, and would mean the root of an image.
    option.check(CLI::Validator(
        [](const std::string& value) { return std::string(value.empty() ? "is empty" : ""); }, ""));
  }
  if (is_flag(option) && option.get_type_name().empty()) option.disable_flag_override();
}

void set_up_options(CLI::App& app) {
  for (CLI::App* command : app.get_subcommands({})) {
    const bool is_for_people = !command->get_group().empty();
    for (CLI::Option* option : command->get_options()) {
      option->transform(CLI::Validator(take_literally, ""));
      if (is_for_people) refuse_odd_values(*option);
    }
  }
}

}  // namespace

void add_image_argument(CLI::App& command, std::string& image) {
  command.add_option("IMAGE", image, "The image: the path of its .cim file")->required();
}

CLI::Option* add_json_flag(CLI::App& command, bool& json) {
  return command.add_flag("--json", json, "Print JSON");
}

CLI::Validator one_of(std::vector<std::string> values) {
  const std::string description = fmt::format("{{{}}}", fmt::join(values, ","));
  return CLI::Validator(
      [values = std::move(values)](const std::string& value) {
        if (std::ranges::find(values, value) != values.end()) return std::string();
        return fmt::format("'{}' is not one of '{}'", value, fmt::join(values, "', '"));
      },
      description);
}

void parse(CLI::App& app, int argc, const char* const* argv) {
  set_up_options(app);
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
