// Colour on a terminal, as ls(1) and git(1) have it.
#include "cli/color.h"

#include <algorithm>
#include <cstdlib>

#include <fmt/format.h>
#include <unistd.h>

#include "cli/commands.h"

namespace cim::cli {
namespace {

constexpr const char* gnu_colors =
    "di=01;34:ln=01;36:pi=33:so=01;35:bd=01;33:cd=01;33:ex=01;32:su=37;41:sg=30;43:"
    "st=37;44:ow=34;42:tw=30;42";

std::string_view environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Anything else could be more than a colour.
bool is_code(std::string_view text) {
  return text.find_first_not_of("0123456789;") == std::string_view::npos;
}

// The two letters that dir_colors(5) has for a kind of file; those of a regular file are "fi".
std::string_view kind_of(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFDIR:
      if ((mode & S_ISVTX) != 0) return (mode & S_IWOTH) != 0 ? "tw" : "st";
      return (mode & S_IWOTH) != 0 ? "ow" : "di";
    case S_IFLNK:
      return "ln";
    case S_IFIFO:
      return "pi";
    case S_IFSOCK:
      return "so";
    case S_IFBLK:
      return "bd";
    case S_IFCHR:
      return "cd";
    default:
      if ((mode & S_ISUID) != 0) return "su";
      if ((mode & S_ISGID) != 0) return "sg";
      return (mode & (S_IXUSR | S_IXGRP | S_IXOTH)) != 0 ? "ex" : "fi";
  }
}

}  // namespace

void add_color_option(Command command, std::string& when) {
  when = "auto";
  command
      .add_flag("--color{always}", when,
                "Use colour 'always' (the same as no WHEN), 'never',\n"
                "or 'auto' (default): on a terminal")
      .type_name("WHEN")
      .one_of({"always", "auto", "never"});
}

bool use_color(const std::string& when) {
  if (when != "auto") return when == "always";
  const std::string_view terminal = environment("TERM");
  return isatty(STDOUT_FILENO) == 1 && environment("NO_COLOR").empty() && terminal != "dumb" &&
         !terminal.empty();
}

std::string paint(std::string_view code, const std::string& text) {
  if (code.empty()) return text;
  return fmt::format("\033[{}m{}\033[0m", code, text);
}

FileColors::FileColors(bool enabled) : enabled_(enabled) {
  if (!enabled) return;
  const std::string all = fmt::format("{}:{}", gnu_colors, environment("LS_COLORS"));
  for (std::string_view rest = all; !rest.empty();) {
    const std::string_view entry = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(entry.size() + 1, rest.size()));
    const std::size_t equals = std::min(entry.find('='), entry.size());
    const std::string_view code = entry.substr(std::min(equals + 1, entry.size()));
    if (is_code(code))
      entries_.push_back({std::string(entry.substr(0, equals)), std::string(code)});
  }
  std::ranges::reverse(entries_);
}

std::string FileColors::paint(const std::string& text, std::string_view name, mode_t mode) const {
  return enabled_ ? cli::paint(code_for(name, mode), text) : text;
}

std::string_view FileColors::code_of(std::string_view kind) const {
  const auto entry = std::ranges::find(entries_, kind, &Entry::key);
  return entry == entries_.end() ? "" : std::string_view(entry->code);
}

std::string_view FileColors::code_for(std::string_view name, mode_t mode) const {
  const std::string_view kind = kind_of(mode);
  if (kind != "fi") return code_of(kind);
  const auto entry = std::ranges::find_if(entries_, [name](const Entry& candidate) {
    return candidate.key.starts_with('*') && name.ends_with(candidate.key.substr(1));
  });
  return entry == entries_.end() ? code_of(kind) : std::string_view(entry->code);
}

}  // namespace cim::cli
