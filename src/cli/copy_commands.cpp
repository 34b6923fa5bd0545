// cim cp and mv
#include <memory>

#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/image_name.h"
#include "cli/progress_report.h"
#include "program/interruption.h"
#include "transfer/image_copy.h"

namespace cim::cli {
namespace {

using Transfer = void (*)(const transfer::ImageCopyOptions&, transfer::Progress&);

struct CopyOptions {
  std::string image;
  std::string destination;
  bool force = false;
};

bool names_directory(const std::string& path) {
  struct stat status;
  return path.ends_with('/') || (stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode));
}

transfer::ImageCopyOptions transfer_options(const CopyOptions& options) {
  const ImageName target(options.destination);
  transfer::ImageCopyOptions result = {.source = options.image,
                                       .directory = target.directory,
                                       .name = target.name,
                                       .replace = options.force};
  if (names_directory(options.destination)) {
    result.directory = options.destination;
    result.name = ImageName(options.image).name;
  }
  return result;
}

void run(Transfer transfer, const CopyOptions& options) {
  const DeferredInterruption deferred;
  const transfer::ImageCopyOptions copy = transfer_options(options);
  const transfer::Amount total =
      ProgressReport::shows_bar() ? transfer::measure_image_copy(copy) : transfer::Amount();
  ProgressReport report(options.image, total);
  transfer(copy, report);
}

void add_copy_command(Command app, const char* name, const char* description, Transfer transfer,
                      const char* footer) {
  const Command command = app.add_subcommand(name, description);
  const auto options = std::make_shared<CopyOptions>();
  add_image_argument(command, options->image);
  command
      .add_option("DEST", options->destination,
                  "The path of its new .cim file, or a directory\n"
                  "that it goes to under its own name")
      .required();
  command.add_flag("-f,--force", options->force, "Replace the image if DEST exists");
  command.footer(footer);
  set_action(command, options->image, [transfer, options] { run(transfer, *options); });
}

}  // namespace

void add_copy_commands(Command app) {
  add_copy_command(
      app, "cp", "Copy a whole image, with all its files", transfer::copy_image,
      "IMAGE and DEST are images, not files in one: see cim add and cim extract for\n"
      "those. In a directory where some of the image's region and object id files are\n"
      "already, as in its own, the copy shares them. DEST appears once it is complete.");
  add_copy_command(app, "mv", "Move or rename a whole image, with all its files",
                   transfer::move_image,
                   "IMAGE and DEST are images, not files in one. Region and object id files that\n"
                   "other images in the directory of IMAGE need stay there too. IMAGE, which must\n"
                   "not be mounted, disappears once DEST is complete.");
}

}  // namespace cim::cli
