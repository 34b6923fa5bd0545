// What --help and cim help show.
#include "cli/help.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "cli/usage_error.h"
#include "program/standard_streams.h"

namespace cim::cli {
namespace {

constexpr const char* help_description = "Show this help";

// Where descriptions start. They are written with lines that end before column 80.
constexpr std::size_t description_column = 28;

bool is_argument(const CLI::Option* option) { return option->get_positional(); }

// "IMAGE", "[PATH]", "PATH...", "[PATH]..."
std::string synopsis(const CLI::Option* argument) {
  const std::string name = argument->get_name(true);
  return (argument->get_required() ? name : "[" + name + "]") +
         (argument->get_expected_max() > 1 ? "..." : "");
}

// "-o OPTS", "    --tar FILE", "-f, --force", "    --color[=WHEN]"
std::string left_column(const CLI::Option* option) {
  std::string text = option->get_snames().empty() ? "    " : "";
  std::string_view separator = "";
  for (const std::string& name : names_of(*option)) {
    text.append(separator).append(name);
    separator = ", ";
  }
  const std::string value = value_name(*option);
  if (value.empty()) return text;
  return text + (is_flag(*option) ? "[=" + value + "]" : " " + value);
}

// `left`, with `text` beside it, or below it where it is too wide.
std::string entry(const std::string& left, std::string_view text) {
  std::string out = "  " + left;
  if (out.size() + 2 > description_column) out += "\n";
  std::size_t column = out.ends_with('\n') ? 0 : out.size();
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    out.append(description_column - column, ' ').append(text.substr(0, end)).append("\n");
    text.remove_prefix(std::min(end + 1, text.size()));
    column = 0;
  }
  return out;
}

std::string section(const std::string& title, const std::string& entries) {
  return entries.empty() ? "" : "\n" + title + ":\n" + entries;
}

std::string command_entries(const CLI::App& app) {
  std::string entries;
  for (const CLI::App* command : commands_of(app)) {
    entries += entry(command->get_name(), command->get_description());
  }
  return entries;
}

std::string argument_entries(const CLI::App& app) {
  std::string entries;
  for (const CLI::Option* argument : app.get_options(is_argument)) {
    entries += entry(argument->get_name(true), argument->get_description());
  }
  return entries;
}

// As is customary, those that every program has come last.
std::string option_entries(const CLI::App& app) {
  std::string entries;
  std::string last;
  for (const CLI::Option* option : app.get_options([](auto* any) { return !is_argument(any); })) {
    const bool is_customary = option == app.get_help_ptr() || option == app.get_version_ptr();
    (is_customary ? last : entries) += entry(left_column(option), option->get_description());
  }
  return entries + last;
}

class HelpFormatter : public CLI::FormatterBase {
 public:
  // `caller` is the name of `app`, with those of its parents before it.
  std::string make_help(const CLI::App* app, std::string caller,
                        CLI::AppFormatMode /*mode*/) const override {
    const bool has_commands = !commands_of(*app).empty();
    std::string text = "Usage: " + caller + (has_commands ? " COMMAND" : "") + " [OPTION]..." +
                       (has_commands ? " [ARGUMENT]..." : "");
    for (const CLI::Option* argument : app->get_options(is_argument)) {
      text += " " + synopsis(argument);
    }
    text += "\n" + app->get_description() + ".\n" + section("Commands", command_entries(*app)) +
            section("Arguments", argument_entries(*app)) + section("Options", option_entries(*app));
    if (has_commands) {
      text +=
          fmt::format("\n'{0} help COMMAND' and '{0} COMMAND --help' explain a command.\n", caller);
    }
    return app->get_footer().empty() ? text : text + "\n" + app->get_footer() + "\n";
  }
};

}  // namespace

void set_up_help(CLI::App& app) {
  app.formatter(std::make_shared<HelpFormatter>());
  app.set_help_flag("-h,--help", help_description);
}

void reserve_short_h(CLI::App& command) { command.set_help_flag("--help", help_description); }

void add_help_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("help", "Explain cim, or one of its commands");
  const auto topic = std::make_shared<std::optional<std::string>>();
  command->add_option("COMMAND", *topic, "The command");
  command->callback([&app, topic] {
    const HelpFormatter formatter;
    constexpr auto mode = CLI::AppFormatMode::Normal;
    if (!*topic) return print(formatter.make_help(&app, app.get_name(), mode));
    for (const CLI::App* explained : commands_of(app)) {
      if (explained->get_name() != **topic) continue;
      return print(formatter.make_help(explained, app.get_name() + " " + **topic, mode));
    }
    throw unknown_command(app, **topic);
  });
}

std::vector<const CLI::App*> commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App* command) { return !command->get_group().empty(); });
}

bool is_flag(const CLI::Option& option) { return option.get_items_expected_max() == 0; }

// CLI11 adds the description of a check, as in "HOW:{xattrs,files}".
std::string value_name(const CLI::Option& option) {
  const std::string name = option.get_type_name();
  return name.substr(0, name.find(":{"));
}

std::vector<std::string> names_of(const CLI::Option& option) {
  if (option.get_positional()) return {option.get_name(true)};
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

}  // namespace cim::cli
