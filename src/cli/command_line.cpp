// How the commands of cim declare their options and arguments.
#include "cli/command_line.h"

#include <algorithm>
#include <map>
#include <utility>

#include <CLI/CLI.hpp>
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

// Where the words behind `--` go, of each command that takes a command line.
std::map<const CLI::App*, std::vector<std::string>*>& command_lines() {
  static std::map<const CLI::App*, std::vector<std::string>*> lines;
  return lines;
}

// Moves the words behind `--` from `words` to where the command takes them.
void take_command_line(std::vector<std::string>& words) {
  if (words.empty()) return;
  const auto dashes = std::ranges::find(words, "--");
  const auto line = std::ranges::find_if(
      command_lines(), [&](const auto& entry) { return entry.first->get_name() == words.front(); });
  if (line == command_lines().end() || dashes == words.end()) return;
  line->second->assign(dashes + 1, words.end());
  words.erase(dashes, words.end());
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

Option Option::required() const { return Option(option_->required()); }

Option Option::excludes(Option other) const { return Option(option_->excludes(other.option_)); }

Option Option::needs(Option other) const { return Option(option_->needs(other.option_)); }

Option Option::type_name(const char* name) const { return Option(option_->type_name(name)); }

Option Option::one_of(std::vector<std::string> values) const {
  const std::string description = fmt::format("{{{}}}", fmt::join(values, ","));
  return Option(option_->check(CLI::Validator(
      [values = std::move(values)](const std::string& value) {
        if (std::ranges::find(values, value) != values.end()) return std::string();
        return fmt::format("'{}' is not one of '{}'", value, fmt::join(values, "', '"));
      },
      description)));
}

Option Option::one_value_each() const { return Option(option_->allow_extra_args(false)); }

Command Command::add_subcommand(const char* name, const char* description) const {
  return Command(*app_->add_subcommand(name, description));
}

Option Command::add_option(const char* names, std::string& value, const char* description) const {
  return Option(app_->add_option(names, value, description));
}

Option Command::add_option(const char* names, std::optional<std::string>& value,
                           const char* description) const {
  return Option(app_->add_option(names, value, description));
}

Option Command::add_option(const char* names, std::vector<std::string>& value,
                           const char* description) const {
  return Option(app_->add_option(names, value, description));
}

Option Command::add_flag(const char* names, std::string& value, const char* description) const {
  return Option(app_->add_flag(names, value, description));
}

Option Command::add_flag(const char* names, bool& value, const char* description) const {
  return Option(app_->add_flag(names, value, description));
}

Option Command::add_flag(const char* names, const char* description) const {
  return Option(app_->add_flag(names)->description(description));
}

Option Command::add_command_line(const char* name, std::vector<std::string>& value,
                                 const char* description) const {
  command_lines()[app_] = &value;
  // Nothing gets here: it is for help.
  return Option(app_->add_option(name)->description(description));
}

void Command::reserve_short_h() const { cli::reserve_short_h(*app_); }

void Command::footer(const char* text) const { app_->footer(text); }

void Command::set_action(std::function<void()> run) const { app_->callback(std::move(run)); }

void Command::set_preparation(std::function<void()> prepare) const {
  app_->preparse_callback([prepare = std::move(prepare)](std::size_t) { prepare(); });
}

void parse(CLI::App& app, int argc, const char* const* argv) {
  set_up_options(app);
  std::vector<std::string> words(argv + 1, argv + argc);
  take_command_line(words);
  std::ranges::transform(words, words.begin(), protect_brackets);
  std::ranges::reverse(words);  // as CLI11 wants them
  app.parse(std::move(words));
}

}  // namespace cim::cli
