// cim import
#include <memory>
#include <optional>
#include <string>

#include "cli/commands.h"
#include "cli/container_source.h"
#include "cli/image_name.h"
#include "cli/new_image.h"
#include "cli/progress_report.h"
#include "oci/image_import.h"
#include "program/interruption.h"

namespace cim::cli {
namespace {

struct ImportOptions {
  std::string image;
  std::string source;
  std::optional<std::string> platform;
  bool force = false;
};

void import(const ImportOptions& options) {
  check_arguments_of_create(options.image, std::nullopt, options.force);
  refuse_mounted(options.image);
  const DeferredInterruption deferred;
  ProgressReport report(options.image, {});
  const ImageName image(options.image);
  const ContainerSource source(options.source, options.platform, image.directory);
  oci::import_image(source.image(), source.files(),
                    {.directory = image.directory, .name = image.name, .replace = options.force},
                    report);
}

}  // namespace

void add_import_command(Command app) {
  const Command command =
      app.add_subcommand("import", "Make an image of each layer of a container image");
  const auto options = std::make_shared<ImportOptions>();
  add_image_argument(command, options->image);
  command
      .add_option("SOURCE", options->source,
                  "The container image: an OCI image layout, in a\n"
                  "directory or an archive, or what 'docker save' has\n"
                  "written; '-': standard input; oci:PATH[:TAG]: the\n"
                  "one of several that has this tag")
      .required();
  command
      .add_option("--platform", options->platform,
                  "The one that runs on this, if there are several:\n"
                  "OS/ARCH[/VARIANT][:OSVERSION]; default: the only\n"
                  "one, or that for Linux on this machine")
      .type_name("PLATFORM");
  command.add_flag("-f,--force", options->force, "Replace the image if it exists");
  command.footer(
      "The image of each layer is in the directory of IMAGE, named by its chain id\n"
      "(sha256-*.cim), and used again by later imports. IMAGE shares its files.");
  set_action(command, options->image, [options] { import(*options); });
}

}  // namespace cim::cli
