// cim cp and mv
#include <memory>
#include <optional>

#include <cim/name.h>
#include <cim/writer.h>
#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/image_name.h"
#include "cli/new_image.h"
#include "cli/progress_report.h"
#include "program/interruption.h"
#include "transfer/image_copy.h"

namespace cim::cli {
namespace {

using Transfer = void (*)(const transfer::ImageCopyOptions&, transfer::Progress&);

struct CopyOptions {
  std::string image;
  std::string destination;              // before new_path, a path in the image
  std::optional<std::string> new_path;  // of that
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

// The path in the image that `old_path` gets: in a directory, it keeps its name.
std::u16string renamed_path(const Writer& writer, const CopyOptions& options) {
  const std::u16string old_path = linux_to_image_path(options.destination);
  std::u16string path = linux_to_image_path(*options.new_path);
  if (writer.find(path) == Writer::Kind::directory && path != old_path) {
    const std::u16string_view name =
        std::u16string_view(old_path).substr(old_path.rfind(u'\\') + 1);
    path = path.empty() ? std::u16string(name) : (path + u'\\').append(name);
  }
  const Writer::Kind present = writer.find(path);
  if (present == Writer::Kind::none || path == old_path) return path;
  const Error exists(Errc::file_exists, present == Writer::Kind::directory
                                            ? "exists already, and is a directory"
                                            : "exists already; --force replaces it");
  if (present == Writer::Kind::directory || !options.force) {
    throw exists.with_path(image_to_linux_path(path));
  }
  return path;
}

void rename(const CopyOptions& options) {
  Writer writer(extending_options(options.image));
  writer.rename(linux_to_image_path(options.destination), renamed_path(writer, options));
  writer.commit();
}

Command add_copy_command(Command app, const char* name, const char* description, Transfer transfer,
                         const char* footer, const std::shared_ptr<CopyOptions>& options) {
  const Command command = app.add_subcommand(name, description);
  add_image_argument(command, options->image);
  command
      .add_option("DEST", options->destination,
                  "The path of its new .cim file, or a directory\n"
                  "that it goes to under its own name")
      .required();
  command.add_flag("-f,--force", options->force, "Replace what is there already");
  command.footer(footer);
  set_action(command, options->image, [transfer, options] {
    options->new_path ? rename(*options) : run(transfer, *options);
  });
  return command;
}

}  // namespace

void add_copy_commands(Command app) {
  add_copy_command(
      app, "cp", "Copy a whole image, with all its files", transfer::copy_image,
      "IMAGE and DEST are images, not files in one: see cim add and cim extract for\n"
      "those. In a directory where some of the image's region and object id files are\n"
      "already, as in its own, the copy shares them. DEST appears once it is complete.",
      std::make_shared<CopyOptions>());
  const auto options = std::make_shared<CopyOptions>();
  add_copy_command(app, "mv", "Move or rename a whole image, or a file in one",
                   transfer::move_image,
                   "With IMAGE and DEST, a whole image is moved. Region and object id files that\n"
                   "other images in the directory of IMAGE need stay there too. IMAGE, which must\n"
                   "not be mounted, disappears once DEST is complete.\n"
                   "\n"
                   "With NEW, the image stays where it is: cim mv IMAGE OLD NEW makes the file or\n"
                   "directory at the path OLD in it be at the path NEW, or in the directory NEW.",
                   options)
      .add_option("NEW", options->new_path,
                  "The new path in the image of what DEST, which is\n"
                  "then a path in the image, too, stands for");
}

}  // namespace cim::cli
