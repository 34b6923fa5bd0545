// cim extract
#include <memory>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/progress_report.h"
#include "transfer/extract.h"

namespace cim::cli {
namespace {

struct ExtractOptions {
  std::string image;
  std::string destination;
  std::vector<std::string> paths;
};

void extract(const ExtractOptions& options) {
  const Image image(options.image);
  transfer::Selection selection;
  for (const std::string& path : options.paths) selection.push_back(linux_to_image_path(path));
  const transfer::Amount total =
      ProgressReport::shows_bar() ? transfer::measure_image(image, selection) : transfer::Amount();
  ProgressReport report(options.image, total);
  transfer::extract(image, options.destination, selection, report);
  if (report.warnings() == 0) return;
  throw Error(Errc::access_denied, fmt::format("extracted, but for {} warning{}", report.warnings(),
                                               report.warnings() == 1 ? "" : "s"));
}

}  // namespace

void add_extract_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("extract", "Copy files of an image to a directory");
  const auto options = std::make_shared<ExtractOptions>();
  add_image_argument(*command, options->image);
  command
      ->add_option("DEST_DIR", options->destination,
                   "Where to; made if missing. Files that are there\n"
                   "are replaced, directories merged")
      ->required();
  command->add_option("PATH", options->paths, "Only these, with everything below them");
  set_action(*command, options->image, [options] { extract(*options); });
}

}  // namespace cim::cli
