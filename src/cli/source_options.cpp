// The options of the commands that copy files into an image.
#include "cli/source_options.h"

#include <cstdlib>
#include <utility>

#include <cim/error.h>
#include <fmt/format.h>

#include "posix/accounts.h"
#include "posix/timestamp.h"

namespace cim::cli {
namespace {

// Returns parse(text); an error there is wrong usage of `option`.
template <typename Parse>
auto parse_value(const char* option, const std::string& text, Parse&& parse) {
  try {
    return parse(text);
  } catch (const Error& error) {
    throw UsageError(std::string(option) + ": " + error.what());
  }
}

transfer::MetadataOverrides metadata_overrides(const SourceOptions& options) {
  transfer::MetadataOverrides overrides;
  if (options.owner) overrides.owner = parse_value("--owner", *options.owner, posix::parse_user);
  if (options.group) overrides.group = parse_value("--group", *options.group, posix::parse_group);
  if (options.mtime) {
    overrides.mtime = parse_value("--mtime", *options.mtime, posix::parse_time);
  } else if (const char* epoch = std::getenv("SOURCE_DATE_EPOCH")) {
    overrides.latest_mtime =
        parse_value("SOURCE_DATE_EPOCH", epoch, posix::parse_source_date_epoch);
  }
  return overrides;
}

}  // namespace

void add_source_options(Command command, SourceOptions& options) {
  add_exclude_options(command, options.exclude);
  command.add_flag("--one-file-system", options.one_file_system,
                   "Leave out file systems mounted within the source,\n"
                   "but keep the directories they are mounted on");
  command
      .add_option("--owner", options.owner,
                  "Make all files belong to this user: a name known\n"
                  "here, a number or NAME:NUMBER")
      .type_name("USER");
  command.add_option("--group", options.group, "The same for the group").type_name("GROUP");
  command
      .add_option("--mtime", options.mtime,
                  "Give all files this time: 2026-01-02T03:04:05Z,\n"
                  "or @SECONDS since 1970; default: their own, but\n"
                  "none later than $SOURCE_DATE_EPOCH")
      .type_name("DATE");
  command.add_flag("--expand-executables", options.expand_executables,
                   "Store Windows executables as Windows does: with\n"
                   "each section at a page boundary, to be mapped");
  command.add_flag("--literal-whiteouts", options.literal_whiteouts,
                   "Store what removes files of a lower layer, like\n"
                   ".wh.NAME, as it is; otherwise it is refused");
  command.add_flag("-v,--verbose", options.verbose,
                   "Also tell how many times were rounded to 100 ns,\n"
                   "the finest that an image holds");
}

transfer::ImportOptions to_import_options(const SourceOptions& options) {
  transfer::ImportOptions result;
  result.exclude = exclude_patterns(options.exclude);
  result.one_file_system = options.one_file_system;
  result.literal_whiteouts = options.literal_whiteouts;
  result.overrides = metadata_overrides(options);
  return result;
}

void refuse_changes_of_source(const SourceOptions& options, const std::string& other) {
  const std::pair<const char*, bool> given[] = {
      {"--exclude", !options.exclude.exclude.empty()},
      {"--exclude-from", !options.exclude.exclude_from.empty()},
      {"--one-file-system", options.one_file_system},
      {"--owner", options.owner.has_value()},
      {"--group", options.group.has_value()},
      {"--mtime", options.mtime.has_value()},
      {"--literal-whiteouts", options.literal_whiteouts},
  };
  for (const auto& [option, is_given] : given) {
    if (is_given) throw UsageError(fmt::format("'{}' and '{}' exclude each other", other, option));
  }
}

}  // namespace cim::cli
