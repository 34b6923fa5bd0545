// cim ls
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <sys/stat.h>

#include "cli/color.h"
#include "cli/commands.h"
#include "cli/escape.h"
#include "cli/file_json.h"
#include "cli/image_directory_listing.h"
#include "cli/long_listing.h"
#include "cli/windows_listing.h"
#include "posix/attributes.h"
#include "program/standard_streams.h"
#include "transfer/image_walk.h"

namespace cim::cli {
namespace {

struct ListOptions {
  std::string image;
  std::vector<std::string> paths;
  bool long_format = false;
  bool human_readable = false;
  bool recursive = false;
  bool directories_as_files = false;
  bool windows = false;
  bool by_time = false;
  bool by_size = false;
  bool reverse = false;
  bool json = false;
  std::string color;
};

std::vector<std::string> paths_of(const ListOptions& options) {
  return options.paths.empty() ? std::vector<std::string>{"."} : options.paths;
}

std::vector<FileInfo> entries_of(const Image& image, const File& directory) {
  std::vector<FileInfo> files;
  const Directory entries = image.entries(directory);
  EntryName name;
  for (std::uint32_t index = 0; index < entries.size(); ++index) {
    const FileId id = image.entry(entries, index, name);
    files.push_back(file_info(image, image.file(id), image_to_linux_name(name.view())));
  }
  return files;
}

// By the bytes of their names, or as the options ask.
void sort(std::vector<FileInfo>& files, const ListOptions& options) {
  std::ranges::sort(files, {}, &FileInfo::path);
  if (options.by_time) {
    std::ranges::stable_sort(files, std::ranges::greater(), [](const FileInfo& file) {
      return std::pair(file.status.st_mtim.tv_sec, file.status.st_mtim.tv_nsec);
    });
  } else if (options.by_size) {
    std::ranges::stable_sort(files, std::ranges::greater(),
                             [](const FileInfo& file) { return file.status.st_size; });
  }
  if (options.reverse) std::ranges::reverse(files);
}

// Calls visit(file, path) for the directory at `path` and everything below it, with paths relative
// to the directory, "" for itself. Each directory comes before its contents.
template <typename Visit>
void for_each_below(const Image& image, const std::string& path, Visit visit) {
  using Step = transfer::ImageWalk::Step;
  transfer::ImageWalk walk(image, {.paths = {linux_to_image_path(path)}},
                           transfer::EntryOrder::bytes);
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

// Prints the lines that ls(1) would.
class Listing {
 public:
  Listing(const Image& image, const ListOptions& options)
      : image_(image), options_(options), colors_(use_color(options.color)) {}

  void print_files(const std::vector<FileInfo>& files) {
    if (options_.windows) {
      print(windows_listing(image_, files, colors_, options_.human_readable));
    } else if (options_.long_format) {
      print(long_listing(image_, files, colors_, options_.human_readable));
    } else {
      for (const FileInfo& file : files) {
        print(colors_.paint(escape_for_terminal(file.path), file.path, file.status.st_mode) + "\n");
      }
    }
    if (!files.empty()) separator_ = "\n";
  }

  void print_directory(const File& directory) {
    std::vector<FileInfo> files = entries_of(image_, directory);
    sort(files, options_);
    if (options_.long_format || options_.windows) print(total_line(files, options_.human_readable));
    print_files(files);
  }

  void print_with_heading(const File& directory, const std::string& path) {
    print(separator_ + escape_for_terminal(path) + ":\n");
    separator_ = "\n";
    print_directory(directory);
  }

 private:
  const Image& image_;
  const ListOptions& options_;
  const FileColors colors_;
  std::string separator_;  // before the next heading
};

void list_lines(const Image& image, const ListOptions& options) {
  const std::vector<std::string> paths = paths_of(options);
  std::vector<FileInfo> files;
  std::vector<FileInfo> directories;
  for (const std::string& path : paths) {
    const File file = find_file(image, path);
    const bool is_listed = posix::is_directory(file) && !options.directories_as_files;
    (is_listed ? directories : files).push_back(file_info(image, file, path));
  }
  sort(files, options);
  sort(directories, options);

  Listing listing(image, options);
  listing.print_files(files);
  for (const FileInfo& start : directories) {
    if (options.recursive) {
      for_each_below(image, start.path, [&](const File& file, const std::string& path) {
        if (posix::is_directory(file)) {
          listing.print_with_heading(file, path_below(start.path, path));
        }
      });
    } else if (paths.size() > 1) {
      listing.print_with_heading(start.file, start.path);
    } else {
      listing.print_directory(start.file);
    }
  }
}

void list_json(const Image& image, const ListOptions& options) {
  const std::vector<std::string> paths = paths_of(options);
  const auto entry_json = [&](const FileInfo& file) {
    Json entry = listing_json(file);
    if (options.windows) set_windows_metadata(entry, image, file.file);
    return entry;
  };
  for (const std::string& path : paths) find_file(image, path);
  JsonArrayPrinter array;
  for (const std::string& start : paths) {
    const File file = find_file(image, start);
    // A path relative to the only PATH is what most want; among several it would say too little.
    const auto shown = [&](const std::string& path) {
      return paths.size() > 1 ? path_below(start, path) : path;
    };
    if (!posix::is_directory(file) || options.directories_as_files) {
      array.add(entry_json(file_info(image, file, start)));
    } else if (options.recursive) {
      for_each_below(image, start, [&](const File& found, const std::string& path) {
        if (!path.empty()) array.add(entry_json(file_info(image, found, shown(path))));
      });
    } else {
      std::vector<FileInfo> entries = entries_of(image, file);
      sort(entries, options);
      for (FileInfo& entry : entries) {
        entry.path = shown(entry.path);
        array.add(entry_json(entry));
      }
    }
  }
  array.finish();
}

bool is_directory_of_images(const std::string& path) {
  struct stat status;
  return stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

// Options that would change nothing in the listing of a directory of images.
void refuse_options_for_files(const ListOptions& options) {
  for (const auto& [given, name] : {std::pair(options.directories_as_files, "-d"),
                                    {options.reverse, "-r"},
                                    {options.recursive, "-R"},
                                    {options.by_size, "-S"},
                                    {options.by_time, "-t"},
                                    {options.windows, "--windows"}}) {
    if (!given) continue;
    throw UsageError(std::string(name) + ": is for the files of an image; " + options.image +
                     " is a directory of images");
  }
}

void list(const ListOptions& options) {
  if (options.paths.empty() && is_directory_of_images(options.image)) {
    refuse_options_for_files(options);
    return list_images(options.image, {.long_format = options.long_format,
                                       .human_readable = options.human_readable,
                                       .json = options.json});
  }
  const Image image(options.image);
  options.json ? list_json(image, options) : list_lines(image, options);
}

}  // namespace

void add_list_command(Command app) {
  const Command command = app.add_subcommand("ls", "List files of an image");
  const auto options = std::make_shared<ListOptions>();
  command.reserve_short_h();
  add_image_argument(command, options->image);
  command.add_option("PATH", options->paths, "Directories and files; default: the root");
  command.add_flag("-a,-A", "Accepted; names that start with '.' are listed\nwithout it, too");
  command.add_flag("-d", options->directories_as_files,
                   "List directories themselves, not what is in them");
  const Option human_readable =
      command.add_flag("-h", options->human_readable, "Show sizes as 4.0K, 23M, 1.5G");
  command.add_flag("-l", options->long_format, "Show mode, links, owner, size, time and target");
  const Option reverse = command.add_flag("-r", options->reverse, "Reverse the order");
  command.add_flag("-R", options->recursive, "Include every directory below");
  const Option by_size =
      command.add_flag("-S", options->by_size, "Sort by size, the largest first");
  const Option by_time =
      command.add_flag("-t", options->by_time, "Sort by time, the newest first").excludes(by_size);
  command.add_flag("--windows", options->windows,
                   "Like -l, but show Windows' attributes and owner");
  add_color_option(command, options->color);
  const Option json = add_json_flag(command, options->json);
  for (const Option only_for_people : {human_readable, reverse, by_size, by_time}) {
    json.excludes(only_for_people);
  }
  command.footer(
      "Prints what ls -A prints for a mount with the same options, sorted by the bytes\n"
      "of the names. -R goes through directories in that order, however their entries\n"
      "are sorted. JSON has paths relative to PATH; if there are several, with PATH in\n"
      "front.\n"
      "If IMAGE is a directory of images: prints what each takes on disk, with all\n"
      "files that it needs, what removing it and then cim gc would free, and which\n"
      "images it shares files with. With -l, also which file is needed by which image.\n"
      "Only -l, -h and --json are for this listing.");
  set_action(command, options->image, [options] { list(*options); });
}

}  // namespace cim::cli
