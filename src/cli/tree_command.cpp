// cim tree
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <langinfo.h>

#include "cli/color.h"
#include "cli/commands.h"
#include "cli/escape.h"
#include "cli/file_info.h"
#include "posix/attributes.h"
#include "program/standard_streams.h"
#include "transfer/image_walk.h"

namespace cim::cli {
namespace {

struct TreeOptions {
  std::string image;
  std::string path;
  std::string color;
};

// The lines before a name, for each level above it and for the name itself.
struct Branches {
  const char* passing;  // the directory has more entries
  const char* blank;    // it has not
  const char* entry;
  const char* last_entry;
};

Branches branches_for_locale() {
  if (std::strcmp(nl_langinfo(CODESET), "UTF-8") == 0) {
    return {"│\u00a0\u00a0 ", "    ", "├── ", "└── "};
  }
  return {"|   ", "    ", "|-- ", "`-- "};
}

// Draws a tree, one file at a time.
class Drawing {
 public:
  Drawing(const Image& image, bool with_color) : image_(image), colors_(with_color) {}

  void draw_root(const std::string& name, const File& file) {
    count(file);
    print(label(name, file) + "\n");
  }

  void draw(const std::string& name, const File& file, bool is_last) {
    count(file);
    print(indentation_ + (is_last ? branches_.last_entry : branches_.entry) + label(name, file) +
          "\n");
  }

  // Everything drawn between these two calls is in the directory drawn before the first. Not called
  // for the root.
  void enter(bool is_last) {
    lengths_.push_back(indentation_.size());
    indentation_ += is_last ? branches_.blank : branches_.passing;
  }
  void leave() {
    if (lengths_.empty()) return;  // leaving the root, or a directory above it
    indentation_.resize(lengths_.back());
    lengths_.pop_back();
  }

  void draw_counts() const {
    print(fmt::format("\n{} {}, {} {}\n", directories_,
                      directories_ == 1 ? "directory" : "directories", files_,
                      files_ == 1 ? "file" : "files"));
  }

 private:
  void count(const File& file) { ++(posix::is_directory(file) ? directories_ : files_); }

  std::string label(const std::string& name, const File& file) const {
    std::string text = escape_for_terminal(name);
    if (colors_.enabled()) {
      text = colors_.paint(text, name, file_info(image_, file, name).status.st_mode);
    }
    if (!posix::is_symlink(file)) return text;
    return text + " -> " + escape_for_terminal(posix::symlink_target(image_, file));
  }

  const Image& image_;
  const FileColors colors_;
  const Branches branches_ = branches_for_locale();
  std::string indentation_;
  std::vector<std::size_t> lengths_;  // of the indentation, per level
  std::uint64_t directories_ = 0;
  std::uint64_t files_ = 0;
};

void draw_tree(const TreeOptions& options) {
  using Step = transfer::ImageWalk::Step;
  const Image image(options.image);
  Drawing drawing(image, use_color(options.color));
  transfer::ImageWalk walk(image, {.paths = {linux_to_image_path(options.path)}},
                           transfer::EntryOrder::bytes);
  bool is_root = true;
  for (Step step = walk.next(); step != Step::end; step = walk.next()) {
    if (step == Step::leave_directory) {
      drawing.leave();
    } else if (!walk.selected()) {
      continue;
    } else if (is_root) {
      drawing.draw_root(options.path.empty() ? "." : options.path, walk.file());
      is_root = false;
    } else {
      drawing.draw(walk.name(), walk.file(), walk.is_last());
      if (step == Step::enter_directory) drawing.enter(walk.is_last());
    }
  }
  drawing.draw_counts();
}

}  // namespace

void add_tree_command(Command app) {
  const Command command = app.add_subcommand("tree", "Draw the tree below a directory of an image");
  const auto options = std::make_shared<TreeOptions>();
  add_image_argument(command, options->image);
  command.add_option("PATH", options->path, "The directory; default: the root");
  add_color_option(command, options->color);
  command.footer(
      "Draws what tree -aN draws for a mount, sorted by the bytes of the names. The\n"
      "count of directories at the end includes PATH; links count as files.");
  set_action(command, options->image, [options] { draw_tree(*options); });
}

}  // namespace cim::cli
