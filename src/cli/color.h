// Colour on a terminal, as ls(1) and git(1) have it. The output of cim goes to one place, so that
// nothing here is for more than one thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <sys/stat.h>

#include "cli/command_line.h"

namespace cim::cli {

// Adds the option --color to `command`, which stores "always", "auto" or "never" in `when`.
void add_color_option(Command command, std::string& when);

// Whether to use colour if --color is `when`. "auto" means: if standard output is a terminal that
// can, and $NO_COLOR (no-color.org) is not set.
bool use_color(const std::string& when);

// `text` in the colour `code`, the parameters of ECMA-48's SGR ("01;34"). Unchanged without a code.
std::string paint(std::string_view code, const std::string& text);

// The colours of files: those of $LS_COLORS (dir_colors(5)) and, for what that does not tell, those
// of GNU ls.
class FileColors {
 public:
  // Without colour if `enabled` is false.
  explicit FileColors(bool enabled);

  bool enabled() const noexcept { return enabled_; }

  // `text`, which stands for the file `name`, in its colour.
  std::string paint(const std::string& text, std::string_view name, mode_t mode) const;

 private:
  struct Entry {
    std::string key;  // of a kind of file ("di"), or the end of a name after a '*' ("*.tar")
    std::string code;
  };

  std::string_view code_of(std::string_view kind) const;
  std::string_view code_for(std::string_view name, mode_t mode) const;

  const bool enabled_;
  std::vector<Entry> entries_;  // later ones come first
};

}  // namespace cim::cli
