// cim complete, for the completions of shells; hidden.
//
// Prints what can stand in the place of the last word of a command line of cim. The first line says
// what that is: `words` or `paths`, with one on each of the next lines, or `files`, `directories`
// or `images`, which the shell knows better how to find. A word may be followed by a tab and its
// description.
#include <algorithm>
#include <array>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <cim/error.h>
#include <cim/image.h>
#include <cim/name.h>

#include "cli/commands.h"
#include "cli/file_info.h"
#include "cli/help.h"
#include "posix/attributes.h"
#include "program/standard_streams.h"

namespace cim::cli {
namespace {

using namespace std::string_view_literals;

constexpr std::string_view image_argument = "IMAGE";

bool takes_value(const CLI::Option& option) { return option.get_items_expected_max() > 0; }

// The arguments of a command before the word to complete.
class Arguments {
 public:
  Arguments(const CLI::App& command, const std::vector<std::string>& words) : command_(command) {
    for (const std::string& word : words) take(word);
  }

  // The option that the next word is the value of; null if it is none.
  const CLI::Option* pending() const { return pending_; }

  // Whether the next word may be an option.
  bool options_allowed() const { return options_allowed_; }

  // The positional argument that the next word is; null if there is no more.
  const CLI::Option* next() const { return positional(values_.size()); }

  // The value of the positional argument `name`; empty if it has none, or there is no such.
  std::string value(std::string_view name) const {
    for (std::size_t index = 0; index < values_.size(); ++index) {
      const CLI::Option* option = positional(index);
      if (option != nullptr && option->get_name() == name) return values_[index];
    }
    return {};
  }

 private:
  void take(const std::string& word) {
    if (pending_ != nullptr) {
      pending_ = nullptr;
    } else if (options_allowed_ && word == "--") {
      options_allowed_ = false;
    } else if (options_allowed_ && word.size() > 1 && word[0] == '-') {
      const CLI::Option* option = command_.get_option_no_throw(word);
      if (option != nullptr && takes_value(*option)) pending_ = option;
    } else {
      values_.push_back(word);
    }
  }

  // The last positional argument may take many values.
  const CLI::Option* positional(std::size_t index) const {
    const auto arguments = command_.get_options([](const CLI::Option* option) {
      return option->get_positional() && !option->nonpositional();
    });
    if (index < arguments.size()) return arguments[index];
    if (arguments.empty() || arguments.back()->get_items_expected_max() == 1) return nullptr;
    return arguments.back();
  }

  const CLI::App& command_;
  std::vector<std::string> values_;
  const CLI::Option* pending_ = nullptr;
  bool options_allowed_ = true;
};

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

// Prints the words that begin with what is typed already.
class Words {
 public:
  explicit Words(const std::string& typed) : typed_(typed) { print("words\n"); }

  void offer(const std::string& word, const std::string& description = {}) const {
    if (!word.starts_with(typed_)) return;
    print(word + (description.empty() ? "" : "\t" + first_line(description)) + "\n");
  }

 private:
  const std::string& typed_;
};

// Null if there is none.
const CLI::App* find_command(const CLI::App& app, const std::string& name) {
  const auto commands = commands_of(app);
  const auto found = std::ranges::find(commands, name, &CLI::App::get_name);
  return found == commands.end() ? nullptr : *found;
}

void offer_commands(const CLI::App& app, const std::string& typed) {
  const Words words(typed);
  for (const CLI::App* command : commands_of(app)) {
    words.offer(command->get_name(), command->get_description());
  }
}

void offer_options(const CLI::App& command, const std::string& typed) {
  const Words words(typed);
  for (const CLI::Option* option : command.get_options()) {
    for (const std::string& name : option->get_lnames()) {
      words.offer("--" + name, option->get_description());
    }
    for (const std::string& name : option->get_snames()) {
      words.offer("-" + name, option->get_description());
    }
  }
}

// The values that are listed in the name of a type, as in "HOW:{xattrs,files}".
std::vector<std::string> listed_values(const std::string& type) {
  std::vector<std::string> values;
  const std::size_t begin = type.find('{');
  if (begin == std::string::npos) return values;
  std::istringstream list(type.substr(begin + 1, type.find('}', begin) - begin - 1));
  for (std::string value; std::getline(list, value, ',');) values.push_back(value);
  return values;
}

// The entries of a directory of the image that can complete the path `typed`; directories end with
// a slash.
void offer_paths(const std::string& image_path, const std::string& typed) {
  print("paths\n");
  const std::size_t name_start = typed.rfind('/') + 1;  // npos + 1 is 0
  const std::string directory = typed.substr(0, name_start);
  const Image image(image_path);
  const auto id = image.resolve(linux_to_image_path(directory));
  if (!id || !posix::is_directory(image.file(*id))) return;
  const Directory entries = image.entries(image.file(*id));
  EntryName name;
  for (std::uint32_t index = 0; index < entries.size(); ++index) {
    const File file = image.file(image.entry(entries, index, name));
    const std::string path = directory + image_to_linux_name(name.view());
    // One path is one line.
    if (!path.starts_with(typed) || path.find('\n') != std::string::npos) continue;
    print(path + (posix::is_directory(file) ? "/\n" : "\n"));
  }
}

// Offers values for an option or positional argument called `name`.
void offer_values(const std::string& name, const std::string& image, const std::string& typed) {
  const bool is_path = name == "PATH" || name == "EXISTING" || name == "NEW";
  constexpr std::array image_names = {image_argument, "BASE"sv, "DEST"sv,
                                      "OLD"sv,        "NEW"sv,  "LAYER_IMAGE"sv};
  const bool is_image = std::ranges::find(image_names, name) != image_names.end();
  if (const auto values = listed_values(name); !values.empty()) {
    const Words words(typed);
    for (const std::string& value : values) words.offer(value);
  } else if (is_path && !image.empty()) {
    offer_paths(image, typed);
  } else if (is_image) {
    print("images\n");
  } else if (name.ends_with("DIR") || name.starts_with("DIR:")) {
    print("directories\n");
  } else {
    print("files\n");
  }
}

// `words` are those between `cim` and the cursor; the last is the one to complete, or empty.
void complete(const CLI::App& app, std::vector<std::string> words) {
  if (words.empty()) words.emplace_back();
  const std::string typed = words.back();
  words.pop_back();
  if (words.empty())
    return typed.starts_with('-') ? offer_options(app, typed) : offer_commands(app, typed);
  const CLI::App* command = find_command(app, words.front());
  if (command == nullptr) return print("files\n");
  words.erase(words.begin());
  const Arguments arguments(*command, words);
  if (const CLI::Option* option = arguments.pending()) {
    offer_values(option->get_type_name(), {}, typed);
  } else if (arguments.options_allowed() && typed.starts_with('-')) {
    offer_options(*command, typed);
  } else if (const CLI::Option* next = arguments.next()) {
    offer_values(next->get_name(), arguments.value(image_argument), typed);
  } else {
    offer_options(*command, typed);
  }
}

}  // namespace

void add_complete_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("complete", "");
  command->group("");  // not in the help
  const auto words = std::make_shared<std::vector<std::string>>();
  command->add_option("WORD", *words);
  command->callback([&app, words] { complete(app, *words); });
}

}  // namespace cim::cli
