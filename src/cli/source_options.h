// The options of the commands that copy files into an image.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "cli/command_line.h"
#include "cli/exclude_options.h"
#include "transfer/import_options.h"

namespace cim::cli {

// The options as given on the command line.
struct SourceOptions {
  ExcludeOptions exclude;
  bool one_file_system = false;
  std::optional<std::string> owner;
  std::optional<std::string> group;
  std::optional<std::string> mtime;
  bool expand_executables = false;
  bool literal_whiteouts = false;
  bool verbose = false;
};

// Adds the options to `command`, which stores their values in `options`.
void add_source_options(Command command, SourceOptions& options);

// The meaning of `options` and of the environment variable SOURCE_DATE_EPOCH. Throws
// UsageError for invalid values, Error for a file of patterns that cannot be read.
transfer::ImportOptions to_import_options(const SourceOptions& options);

// Throws UsageError if `options` has one that says which files of a source are copied, or changes
// their metadata: the source that the option `other` names is copied as it is.
void refuse_changes_of_source(const SourceOptions& options, const std::string& other);

}  // namespace cim::cli
