// cim export
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/container_source.h"
#include "cli/exclude_options.h"
#include "cli/output_file.h"
#include "cli/progress_report.h"
#include "oci/image_export.h"
#include "oci/image_layout.h"
#include "oci/layout_writer.h"
#include "program/interruption.h"
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
  std::optional<std::string> oci;
  std::optional<std::string> base;
  std::optional<std::string> platform;
  std::string compression = "gzip";
};

void fail_if_incomplete(std::uint64_t incomplete) {
  if (incomplete == 0) return;
  throw Error(Errc::unsupported,
              fmt::format("exported with {} warning{}", incomplete, incomplete == 1 ? "" : "s"));
}

void export_tar(const ExportOptions& options) {
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
  fail_if_incomplete(incomplete);
}

// What --oci says: DIR:TAG, or oci:DIR:TAG, as skopeo(1) would call it.
TaggedPath parse_layout(const std::string& text) {
  constexpr std::string_view prefix = "oci:";
  TaggedPath layout = parse_tagged_path(text);
  if (text.starts_with(prefix) && text.find(':', prefix.size()) != std::string::npos) {
    layout = parse_tagged_path(text.substr(prefix.size()));
  }
  if (layout.path.empty() || !layout.tag) {
    throw UsageError(fmt::format("--oci: '{}' is not of the form DIR:TAG", text));
  }
  if (oci::is_tag(*layout.tag)) return layout;
  throw UsageError(
      fmt::format("--oci: '{}' is no tag: it has letters and digits, and between "
                  "them one of -._:@+/ or --",
                  *layout.tag));
}

void export_oci(const ExportOptions& options) {
  const TaggedPath place = parse_layout(*options.oci);
  oci::ImageExportOptions image_options = {.image = options.image,
                                           .tag = *place.tag,
                                           .compression = options.compression,
                                           .platform = {}};
  if (options.platform) image_options.platform = parse_platform_option(*options.platform);
  const DeferredInterruption deferred;
  ProgressReport report(options.image, {});
  oci::LayoutWriter layout(place.path);
  std::optional<ContainerSource> source;
  std::optional<oci::BaseImage> base;
  if (options.base) {
    source.emplace(*options.base, options.platform, place.path);
    base.emplace(oci::BaseImage{source->image(), source->files()});
  }
  fail_if_incomplete(oci::export_image(image_options, base, layout, report));
}

void export_image(const ExportOptions& options) {
  if (options.oci) return export_oci(options);
  export_tar(options);
}

}  // namespace

void add_export_command(Command app) {
  const Command command =
      app.add_subcommand("export", "Write an image as a tar archive or a container image");
  const auto options = std::make_shared<ExportOptions>();
  add_image_argument(command, options->image);
  const Option paths = command.add_option("PATH", options->paths,
                                          "Only these, with everything below them and the\n"
                                          "directories on the way. A path that is not in the\n"
                                          "image can be a pattern, as --exclude has them");
  const Option tar = command
                         .add_option("--tar", options->tar,
                                     "Write to this file; default, or '-': standard\n"
                                     "output. The format is pax; owners are numbers")
                         .type_name("FILE");
  const std::vector<Option> exclude = add_exclude_options(command, options->exclude);
  const Option oci = command
                         .add_option("--oci", options->oci,
                                     "Write a container image instead, called TAG, to the\n"
                                     "OCI image layout DIR, made if missing: a layer of\n"
                                     "each image that IMAGE builds on, and of IMAGE")
                         .type_name("DIR:TAG")
                         .excludes(paths)
                         .excludes(tar);
  for (const Option& option : exclude) oci.excludes(option);
  command
      .add_option("--base", options->base,
                  "The container image that the lower images were\n"
                  "imported from: its layers and settings are kept")
      .type_name("SOURCE")
      .needs(oci);
  command
      .add_option("--platform", options->platform,
                  "What the container image runs on:\n"
                  "OS/ARCH[/VARIANT][:OSVERSION]; default: this\n"
                  "machine; or which image of SOURCE is meant")
      .type_name("PLATFORM")
      .needs(oci);
  command
      .add_option("--compress", options->compression,
                  "Compress new layers with 'gzip' (default) or 'zstd'")
      .one_of({"gzip", "zstd"})
      .type_name("HOW")
      .needs(oci);
  set_action(command, options->image, [options] { export_image(*options); });
}

}  // namespace cim::cli
