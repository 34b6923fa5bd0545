// cim export
#include <memory>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/exclude_options.h"
#include "cli/output_file.h"
#include "cli/progress_report.h"
#include "transfer/extract.h"
#include "transfer/patterns.h"
#include "transfer/tar_export.h"

namespace cim::cli {
namespace {

struct ExportOptions {
  std::string image;
  std::vector<std::string> paths;
  std::string tar = "-";
  ExcludeOptions exclude;
};

void export_image(const ExportOptions& options) {
  const Image image(options.image);
  const transfer::Selection selection = {.paths = transfer::expand_paths(image, options.paths),
                                         .exclude = exclude_patterns(options.exclude)};
  const transfer::Amount total =
      ProgressReport::shows_bar() ? transfer::measure_image(image, selection) : transfer::Amount();
  OutputFile file(options.tar, {options.image});
  transfer::FileOutput output(file.fd(), file.name());
  ProgressReport report(options.image, total);
  const std::uint64_t incomplete = transfer::export_tar(image, output, report, selection);
  file.keep();
  if (incomplete == 0) return;
  throw Error(Errc::unsupported,
              fmt::format("exported with {} warning{}", incomplete, incomplete == 1 ? "" : "s"));
}

}  // namespace

void add_export_command(Command app) {
  const Command command = app.add_subcommand("export", "Write an image as a tar archive");
  const auto options = std::make_shared<ExportOptions>();
  add_image_argument(command, options->image);
  command.add_option("PATH", options->paths,
                     "Only these, with everything below them and the\n"
                     "directories on the way. A path that is not in the\n"
                     "image can be a pattern, as --exclude has them");
  command
      .add_option("--tar", options->tar,
                  "Write to this file; default, or '-': standard\n"
                  "output. The format is pax; owners are numbers")
      .type_name("FILE");
  add_exclude_options(command, options->exclude);
  set_action(command, options->image, [options] { export_image(*options); });
}

}  // namespace cim::cli
