// cim ls
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <sys/stat.h>

#include "cli/commands.h"
#include "cli/escape.h"
#include "cli/file_json.h"
#include "cli/image_directory_listing.h"
#include "cli/long_listing.h"
#include "program/standard_streams.h"
#include "transfer/image_walk.h"

namespace cim::cli {
namespace {

struct ListOptions {
  std::string image;
  std::string path;
  bool long_format = false;
  bool recursive = false;
  bool json = false;
};

// The entries of `directory`, sorted by the bytes of their names.
std::vector<FileInfo> entries_of(const Image& image, const File& directory) {
  std::vector<FileInfo> files;
  const Directory entries = image.entries(directory);
  EntryName name;
  for (std::uint32_t index = 0; index < entries.size(); ++index) {
    const FileId id = image.entry(entries, index, name);
    files.push_back(file_info(image, image.file(id), image_to_linux_name(name.view())));
  }
  std::ranges::sort(files, {}, &FileInfo::path);
  return files;
}

void print_files(const Image& image, const std::vector<FileInfo>& files, bool long_format) {
  if (long_format) return print(long_listing(image, files));
  for (const FileInfo& file : files) print(escape_for_terminal(file.path) + "\n");
}

void list_directory(const Image& image, const File& directory, bool long_format) {
  const std::vector<FileInfo> files = entries_of(image, directory);
  if (long_format) print(total_line(files));
  print_files(image, files, long_format);
}

// Calls visit(file, path) for the directory at `path` and everything below it, with paths relative
// to the directory, "" for itself. Each directory comes before its contents.
template <typename Visit>
void for_each_below(const Image& image, const std::string& path, Visit visit) {
  using Step = transfer::ImageWalk::Step;
  transfer::ImageWalk walk(image, {linux_to_image_path(path)}, transfer::EntryOrder::bytes);
  std::size_t prefix = std::string::npos;  // length of the directory's path and a slash
  for (Step step = walk.next(); step != Step::end; step = walk.next()) {
    if (step == Step::leave_directory || !walk.selected()) continue;
    if (prefix == std::string::npos) {
      prefix = walk.path().empty() ? 0 : walk.path().size() + 1;
      visit(walk.file(), std::string());
    } else {
      visit(walk.file(), walk.path().substr(prefix));
    }
  }
}

void list_tree(const Image& image, const ListOptions& options) {
  std::string separator;
  for_each_below(image, options.path, [&](const File& file, const std::string& path) {
    if (!is_directory(file)) return;
    print(separator + escape_for_terminal(path_below(options.path, path)) + ":\n");
    list_directory(image, file, options.long_format);
    separator = "\n";
  });
}

void list_json(const Image& image, const File& file, const ListOptions& options) {
  JsonArrayPrinter array;
  if (!is_directory(file)) {
    array.add(listing_json(file_info(image, file, options.path)));
  } else if (options.recursive) {
    for_each_below(image, options.path, [&](const File& found, const std::string& path) {
      if (!path.empty()) array.add(listing_json(file_info(image, found, path)));
    });
  } else {
    for (const FileInfo& entry : entries_of(image, file)) array.add(listing_json(entry));
  }
  array.finish();
}

bool is_directory_of_images(const std::string& path) {
  struct stat status;
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

void list(const ListOptions& options) {
  if (options.path.empty() && is_directory_of_images(options.image)) {
    return list_images(options.image, {.long_format = options.long_format, .json = options.json});
  }
  const Image image(options.image);
  const File file = find_file(image, options.path);
  if (options.json) return list_json(image, file, options);
  if (!is_directory(file)) {
    print_files(image, {file_info(image, file, options.path)}, options.long_format);
  } else if (options.recursive) {
    list_tree(image, options);
  } else {
    list_directory(image, file, options.long_format);
  }
}

}  // namespace

void add_list_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("ls", "List a directory of an image");
  const auto options = std::make_shared<ListOptions>();
  add_image_argument(*command, options->image);
  command->add_option("PATH", options->path, "The directory, or a file; default: the root");
  command->add_flag("-l", options->long_format, "Show mode, links, owner, size, time and target");
  command->add_flag("-R", options->recursive, "Include every directory below");
  add_json_flag(*command, options->json);
  command->footer(
      "Prints what ls -A, -Al and -AR print for a mount, sorted by the bytes of the\n"
      "names; --json -R gives each file's path relative to PATH.\n"
      "If IMAGE is a directory of images: prints what each takes on disk, with all\n"
      "files that it needs, what removing it and then cim gc would free, and which\n"
      "images it shares files with. With -l, also which file is needed by which image.");
  set_action(*command, options->image, [options] { list(*options); });
}

}  // namespace cim::cli
