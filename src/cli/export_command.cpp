// cim export
#include <memory>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/output_file.h"
#include "cli/progress_report.h"
#include "transfer/extract.h"
#include "transfer/tar_export.h"

namespace cim::cli {
namespace {

struct ExportOptions {
  std::string image;
  std::string tar = "-";
};

void export_image(const ExportOptions& options) {
  const Image image(options.image);
  OutputFile output(options.tar, options.image);
  const transfer::Amount total =
      ProgressReport::shows_bar() ? transfer::measure_image(image, {}) : transfer::Amount();
  ProgressReport report(options.image, total);
  const std::uint64_t incomplete = transfer::export_tar(image, output.fd(), output.name(), report);
  output.keep();
  if (incomplete == 0) return;
  throw Error(Errc::unsupported,
              fmt::format("exported with {} warning{}", incomplete, incomplete == 1 ? "" : "s"));
}

}  // namespace

void add_export_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("export", "Write an image as a tar archive");
  const auto options = std::make_shared<ExportOptions>();
  add_image_argument(*command, options->image);
  command
      ->add_option("--tar", options->tar,
                   "Write to this file; default, or '-': standard\n"
                   "output. The format is pax; owners are numbers")
      ->type_name("FILE");
  set_action(*command, options->image, [options] { export_image(*options); });
}

}  // namespace cim::cli
