#include "transfer/patterns.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>

#include <cim/error.h>
#include <cim/name.h>
#include <fnmatch.h>

#include "transfer/image_walk.h"

namespace cim::transfer {
namespace {

bool is_pattern(const Image& image, const std::string& path) {
  return path.find_first_of("*?[") != std::string::npos &&
         !image.resolve(linux_to_image_path(path));
}

// A pattern, and whether anything has matched it.
struct Pattern {
  std::vector<std::string> text;  // one
  bool is_used = false;
};

// Whether a pattern matches. Every one that does becomes used.
bool match(std::vector<Pattern>& patterns, const std::string& path) {
  bool matches = false;
  for (Pattern& pattern : patterns) {
    if (!is_excluded(pattern.text, path)) continue;
    pattern.is_used = true;
    matches = true;
  }
  return matches;
}

// Adds what matches to `paths`, but nothing below a directory that does.
void add_matches(const Image& image, std::vector<Pattern>& patterns,
                 std::vector<std::u16string>& paths) {
  using Step = ImageWalk::Step;
  ImageWalk walk(image, {});
  std::string covered;  // the last directory that matches, with a slash
  for (Step step = walk.next(); step != Step::end; step = walk.next()) {
    if (step == Step::leave_directory || walk.path().empty()) continue;
    if (!match(patterns, walk.path())) continue;
    if (!covered.empty() && walk.path().starts_with(covered)) continue;
    paths.push_back(linux_to_image_path(walk.path()));
    if (step == Step::enter_directory) covered = walk.path() + '/';
  }
}

}  // namespace

bool is_excluded(const std::vector<std::string>& patterns, const std::string& path) {
  const char* const begin = path.c_str();
  for (const std::string& pattern : patterns) {
    // The path, and the part after each `/`.
    for (const char* tail = begin; tail != nullptr;) {
      if (fnmatch(pattern.c_str(), tail, 0) == 0) return true;
      const char* const slash = std::strchr(tail, '/');
      tail = slash == nullptr ? nullptr : slash + 1;
    }
  }
  return false;
}

std::vector<std::string> read_patterns(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::vector<std::string> patterns;
  for (std::string line; std::getline(file, line);) {
    if (!line.empty() && line[0] != '#') patterns.push_back(line);
  }
  if (!file.eof()) throw system_error(errno, path);
  return patterns;
}

std::vector<std::u16string> expand_paths(const Image& image,
                                         const std::vector<std::string>& paths) {
  std::vector<std::u16string> expanded;
  std::vector<Pattern> patterns;
  for (const std::string& path : paths) {
    if (is_pattern(image, path)) {
      patterns.push_back({{path.substr(path.find_first_not_of('/'))}});
    } else {
      expanded.push_back(linux_to_image_path(path));
    }
  }
  if (patterns.empty()) return expanded;
  add_matches(image, patterns, expanded);
  for (const Pattern& pattern : patterns) {
    if (pattern.is_used) continue;
    throw Error(Errc::file_not_found, "no file matches")
        .with_image(image.path())
        .with_path(pattern.text.front());
  }
  return expanded;
}

}  // namespace cim::transfer
