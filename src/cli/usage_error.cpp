// What is wrong with a command line, in words.
#include "cli/usage_error.h"

#include <algorithm>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/help.h"
#include "program/nearest_word.h"

namespace cim::cli {
namespace {

bool is_option(std::string_view word) { return word.size() > 1 && word.starts_with('-'); }

// The command that the user has chosen; `app` itself before that.
const CLI::App& chosen_command(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : *chosen.front();
}

std::string full_name(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return parent == nullptr ? command.get_name() : full_name(*parent) + " " + command.get_name();
}

std::string see_help(const CLI::App& command) {
  const CLI::App* parent = command.get_parent();
  return parent == nullptr
             ? fmt::format("see '{} help'", command.get_name())
             : fmt::format("see '{} help {}'", parent->get_name(), command.get_name());
}

std::string quoted(const CLI::Option& option) {
  const std::string name = names_of(option).back();
  return option.get_positional() ? name : "'" + name + "'";
}

std::string unknown_command_text(const CLI::App& app, std::string_view word) {
  std::vector<std::string> known;
  for (const CLI::App* command : commands_of(app)) {
    known.push_back(command->get_name());
  }
  return fmt::format("'{}' is no command; {}", word,
                     ask_for_nearest_word(word, known, see_help(app)));
}

// `word` is an unknown option of `command`, perhaps with a value or other letters behind it.
std::string unknown_option_text(const CLI::App& command, std::string_view word) {
  const bool is_long = word.starts_with("--");
  const std::string_view name = is_long ? word.substr(0, word.find('=')) : word.substr(0, 2);
  std::vector<std::string> known;
  if (is_long) {
    for (const CLI::Option* option : command.get_options())
      known.push_back(names_of(*option).back());
  }
  return fmt::format("'{}' is no option of '{}'; {}", name, full_name(command),
                     ask_for_nearest_word(name, known, see_help(command)));
}

// What is wrong with the words that no option or argument has taken. Empty if there are none.
std::string complaint_about_rest(const CLI::App& app, const CLI::App& command) {
  for (const std::string& word : app.remaining()) {
    return is_option(word) ? unknown_option_text(app, word) : unknown_command_text(app, word);
  }
  if (&command == &app) return "";
  std::vector<std::string> rest = command.remaining();
  std::erase(rest, "--");
  const auto option = std::find_if(rest.begin(), rest.end(), is_option);
  if (option != rest.end()) return unknown_option_text(command, *option);
  if (rest.empty()) return "";
  return fmt::format("'{}' is one argument too many; {}", rest.front(), see_help(command));
}

bool is_given(const CLI::Option* option) { return option->count() > 0; }

// What is wrong with how options are used together. Empty if nothing is.
std::string complaint_about_use(const CLI::App& command) {
  for (const CLI::Option* option : command.get_options()) {
    for (const CLI::Option* excluded : option->get_excludes()) {
      if (!is_given(option) || !is_given(excluded)) continue;
      return fmt::format("{} and {} exclude each other; {}", quoted(*excluded), quoted(*option),
                         see_help(command));
    }
  }
  for (const CLI::Option* option : command.get_options()) {
    for (const CLI::Option* needed : option->get_needs()) {
      if (!is_given(option) || is_given(needed)) continue;
      return fmt::format("{} needs {}; {}", quoted(*option), quoted(*needed), see_help(command));
    }
  }
  for (const CLI::Option* option : command.get_options()) {
    if (!option->get_required() || is_given(option)) continue;
    return fmt::format("{} is missing; {}", quoted(*option), see_help(command));
  }
  return "";
}

std::string_view without_dashes(std::string_view name) {
  return name.substr(std::min(name.find_first_not_of('-'), name.size()));
}

// What is wrong with the number of values of the option that CLI11's `message` begins with.
std::string complaint_about_values(const CLI::App& command, std::string_view message) {
  const std::string_view name = without_dashes(message.substr(0, message.find_first_of(": ")));
  for (const CLI::Option* option : command.get_options()) {
    const std::vector<std::string> names = names_of(*option);
    if (std::ranges::find(names, name, without_dashes) == names.end()) continue;
    if (is_flag(*option)) {
      return fmt::format("{} takes no value; {}", quoted(*option), see_help(command));
    }
    if (is_given(option)) {
      return fmt::format("{} is given more than once; {}", quoted(*option), see_help(command));
    }
    return fmt::format("{} is missing after {}; {}", value_name(*option), quoted(*option),
                       see_help(command));
  }
  return std::string(message);
}

}  // namespace

std::string usage_complaint(const CLI::App& app, const CLI::ParseError& error) {
  if (dynamic_cast<const CLI::ValidationError*>(&error) != nullptr) return error.what();
  const CLI::App& command = chosen_command(app);
  if (std::string text = complaint_about_rest(app, command); !text.empty()) return text;
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) != nullptr) {
    return complaint_about_values(command, error.what());
  }
  if (&command == &app) return "COMMAND is missing; " + see_help(app);
  const std::string text = complaint_about_use(command);
  return text.empty() ? error.what() : text;
}

UsageError unknown_command(const CLI::App& app, std::string_view word) {
  return UsageError(unknown_command_text(app, word));
}

}  // namespace cim::cli
