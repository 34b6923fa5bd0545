// cim extract
#include <memory>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/escape.h"
#include "cli/exclude_options.h"
#include "cli/progress_report.h"
#include "program/interruption.h"
#include "program/standard_streams.h"
#include "transfer/extract.h"
#include "transfer/patterns.h"

namespace cim::cli {
namespace {

struct ExtractOptions {
  std::string image;
  std::string destination;
  std::vector<std::string> paths;
  ExcludeOptions exclude;
  std::string streams = "xattrs";
};

// An interruption ends it between two files.
void extract(const Image& image, const std::string& destination,
             const transfer::ExtractOptions& options, ProgressReport& report) {
  const DeferredInterruption deferred;
  try {
    transfer::extract(image, destination, options, report);
  } catch (const Interruption&) {
    report.clear();
    write_line(
        {escape_controls(destination), ": interrupted; the same command again completes it"});
    throw;
  }
}

void extract(const ExtractOptions& options) {
  const Image image(options.image);
  transfer::ExtractOptions extract_options = {.streams_as_files = options.streams == "files"};
  extract_options.selection = {.paths = transfer::expand_paths(image, options.paths),
                               .exclude = exclude_patterns(options.exclude)};
  const transfer::Amount total = ProgressReport::shows_bar()
                                     ? transfer::measure_image(image, extract_options.selection)
                                     : transfer::Amount();
  ProgressReport report(options.image, total);
  extract(image, options.destination, extract_options, report);
  if (report.warnings() == 0) return;
  throw Error(Errc::access_denied, fmt::format("extracted with {} warning{}", report.warnings(),
                                               report.warnings() == 1 ? "" : "s"));
}

}  // namespace

void add_extract_command(Command app) {
  const Command command = app.add_subcommand("extract", "Copy files from an image to a directory");
  const auto options = std::make_shared<ExtractOptions>();
  add_image_argument(command, options->image);
  command
      .add_option("DEST_DIR", options->destination,
                  "The destination, made if missing. Existing files\n"
                  "are replaced, directories merged")
      .required();
  command.add_option("PATH", options->paths,
                     "Only these, with everything below them. A path that\n"
                     "is not in the image can be a pattern, as --exclude\n"
                     "has them");
  add_exclude_options(command, options->exclude);
  command
      .add_option("--streams", options->streams,
                  "Store alternate streams as 'xattrs' (default),\n"
                  "leaving out those that cannot be one, or store\n"
                  "those as 'files' named FILE:STREAM")
      .one_of({"xattrs", "files"})
      .type_name("HOW");
  set_action(command, options->image, [options] { extract(*options); });
}

}  // namespace cim::cli
