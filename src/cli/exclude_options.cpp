// The options of the commands that leave out files by their names.
#include "cli/exclude_options.h"

#include "transfer/patterns.h"

namespace cim::cli {

std::vector<Option> add_exclude_options(Command command, ExcludeOptions& options) {
  const Option exclude = command
                             .add_option("--exclude", options.exclude,
                                         "Leave out files that match this shell pattern, by\n"
                                         "their path or the part after any '/' in it; '*'\n"
                                         "also matches '/'. Can be repeated")
                             .type_name("GLOB")
                             .one_value_each();
  const Option exclude_from = command
                                  .add_option("--exclude-from", options.exclude_from,
                                              "Leave out files that match a pattern in FILE, one\n"
                                              "per line; lines that start with '#' are comments.\n"
                                              "Can be repeated")
                                  .type_name("FILE")
                                  .one_value_each();
  return {exclude, exclude_from};
}

std::vector<std::string> exclude_patterns(const ExcludeOptions& options) {
  std::vector<std::string> patterns = options.exclude;
  for (const std::string& file : options.exclude_from) {
    const std::vector<std::string> more = transfer::read_patterns(file);
    patterns.insert(patterns.end(), more.begin(), more.end());
  }
  return patterns;
}

}  // namespace cim::cli
