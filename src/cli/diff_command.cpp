// cim diff
#include <array>
#include <memory>
#include <string_view>
#include <utility>

#include "cli/color.h"
#include "cli/commands.h"
#include "cli/escape.h"
#include "cli/file_json.h"
#include "cli/progress_report.h"
#include "program/standard_streams.h"
#include "transfer/tree_comparison.h"

namespace cim::cli {
namespace {

using transfer::Aspect;
using transfer::Difference;

constexpr int exit_different = 1;
constexpr int exit_trouble = 2;

struct DiffOptions {
  std::string old_tree;
  std::string new_tree;
  bool json = false;
  std::string color;
};

const char* kind_name(Difference::Kind kind) {
  switch (kind) {
    case Difference::Kind::added:
      return "added";
    case Difference::Kind::removed:
      return "removed";
    case Difference::Kind::changed:
      return "changed";
  }
  return "unknown";
}

// As git has them: what is gone is red, what is there is green.
std::string_view kind_color(Difference::Kind kind) {
  switch (kind) {
    case Difference::Kind::added:
      return "32";
    case Difference::Kind::removed:
      return "31";
    case Difference::Kind::changed:
      return "33";
  }
  return "";
}

const char* aspect_name(Aspect aspect) {
  switch (aspect) {
    case Aspect::type:
      return "type";
    case Aspect::content:
      return "content";
    case Aspect::target:
      return "target";
    case Aspect::device:
      return "device";
    case Aspect::mode:
      return "mode";
    case Aspect::owner:
      return "owner";
    case Aspect::time:
      return "time";
    case Aspect::xattrs:
      return "xattrs";
    case Aspect::links:
      return "links";
  }
  return "unknown";
}

std::string shown_path(const Difference& difference) {
  return difference.path.empty() ? "." : difference.path;
}

// "added PATH", "removed PATH" or "changed ASPECT,... PATH".
std::string line(const Difference& difference, bool with_color) {
  std::string text = kind_name(difference.kind);
  char separator = ' ';
  for (const Aspect aspect : difference.aspects) {
    text += std::exchange(separator, ',');
    text += aspect_name(aspect);
  }
  text += ' ' + escape_controls(shown_path(difference));
  return (with_color ? paint(kind_color(difference.kind), text) : text) + '\n';
}

Json to_json(const Difference& difference) {
  Json object = Json::object();
  set_text(object, "path", shown_path(difference));
  object["change"] = kind_name(difference.kind);
  if (difference.kind != Difference::Kind::changed) return object;
  object["aspects"] = Json::array();
  for (const Aspect aspect : difference.aspects) {
    object["aspects"].push_back(aspect_name(aspect));
  }
  return object;
}

// Prints how the trees differ. Returns whether they do.
bool diff(const DiffOptions& options) {
  const auto old_tree = transfer::open_tree(options.old_tree);
  const auto new_tree = transfer::open_tree(options.new_tree);
  ProgressReport progress(options.new_tree, {});
  transfer::TreeComparison comparison(*old_tree, *new_tree, &progress);
  const bool with_color = use_color(options.color);
  JsonArrayPrinter array;
  bool different = false;
  while (const auto difference = comparison.next()) {
    different = true;
    progress.clear();
    if (options.json) {
      array.add(to_json(*difference));
    } else {
      print(line(*difference, with_color));
    }
  }
  if (options.json) array.finish();
  return different;
}

}  // namespace

void add_diff_command(Command app, ExitStatus& exit) {
  const Command command = app.add_subcommand("diff", "Show how two images or directories differ");
  const auto options = std::make_shared<DiffOptions>();
  command.add_option("OLD", options->old_tree, "An image or a directory").required();
  command.add_option("NEW", options->new_tree, "An image or a directory").required();
  add_color_option(command, options->color);
  add_json_flag(command, options->json);
  command.footer(
      "Prints one line per path: 'added PATH', 'removed PATH' or 'changed WHAT PATH',\n"
      "WHAT being a list of type, content, target (of a symbolic link), device, mode,\n"
      "owner, time (of modification, to 100 ns), xattrs and links (which paths are hard\n"
      "links to one file), separated by commas. Exit status: 0 if there is no\n"
      "difference, 1 if there is one, 2 if something went wrong.");
  command.set_action([options, &exit] {
    exit.failure = exit_trouble;
    if (diff(*options)) exit.success = exit_different;
  });
}

}  // namespace cim::cli
