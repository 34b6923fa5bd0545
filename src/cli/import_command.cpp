// cim import
#include <memory>
#include <optional>
#include <string>

#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/image_name.h"
#include "cli/input_archive.h"
#include "cli/new_image.h"
#include "cli/progress_report.h"
#include "oci/container_image.h"
#include "oci/files.h"
#include "oci/image_import.h"
#include "oci/platform.h"
#include "program/interruption.h"

namespace cim::cli {
namespace {

struct ImportOptions {
  std::string image;
  std::string source;
  std::optional<std::string> platform;
  bool force = false;
};

// What SOURCE says: a path, or oci:PATH[:TAG], as skopeo(1) names layouts.
struct Source {
  explicit Source(const std::string& text) : path(text) {
    constexpr std::string_view prefix = "oci:";
    if (!text.starts_with(prefix)) return;
    path = text.substr(prefix.size());
    const std::size_t colon = path.find(':');
    if (colon == std::string::npos) return;
    tag = path.substr(colon + 1);
    path.resize(colon);
  }

  std::string path;
  std::optional<std::string> tag;
};

bool is_directory(const std::string& path) {
  struct stat status;
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

std::unique_ptr<oci::Files> open_source(const std::string& path, const std::string& directory) {
  if (is_directory(path)) return oci::files_of_directory(path);
  const InputArchive archive(path);
  return oci::files_of_archive(archive.fd(), archive.name(), directory);
}

oci::Platform parse_platform(const std::string& value) {
  try {
    return oci::parse_platform(value);
  } catch (const Error& error) {
    throw UsageError("--platform: " + error.reason());
  }
}

void import(const ImportOptions& options) {
  check_arguments_of_create(options.image, std::nullopt, options.force);
  refuse_mounted(options.image);
  const Source source(options.source);
  oci::Choice choice = {.tag = source.tag, .platform = {}};
  if (options.platform) choice.platform = parse_platform(*options.platform);
  const DeferredInterruption deferred;
  ProgressReport report(options.image, {});
  const ImageName image(options.image);
  const auto files = open_source(source.path, image.directory);
  oci::import_image(oci::find_image(*files, choice), *files,
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
