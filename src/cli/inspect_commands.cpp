// cim ls, stat, cat and info
#include <cerrno>
#include <cstdio>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/escape.h"
#include "cli/file_json.h"
#include "cli/file_text.h"
#include "posix/attributes.h"
#include "transfer/extract.h"
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

struct FileOptions {
  std::string image;
  std::string path;
  bool json = false;
};

struct InfoOptions {
  std::string image;
  bool json = false;
};

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
    throw system_error(errno, "standard output");
  }
}

File find_file(const Image& image, const std::string& path) {
  const auto id = image.resolve(linux_to_image_path(path));
  if (!id) throw Error(Errc::file_not_found, path + ": no such file or directory");
  return image.file(*id);
}

// Prints files as a listing wants them, one at a time.
class Listing {
 public:
  Listing(const Image& image, const ListOptions& options) : image_(image), options_(options) {
    if (options_.json) print("[");
  }

  void add(const File& file, const std::string& path) {
    const FileInfo info = file_info(image_, file, path);
    if (options_.json) {
      print(std::exchange(separator_, ",\n") + to_text(listing_json(info), -1));
    } else {
      print(options_.long_format ? long_line(info) : name_line(info));
    }
  }

  void finish() {
    if (options_.json) print("\n]\n");
  }

 private:
  const Image& image_;
  const ListOptions& options_;
  std::string separator_ = "\n";
};

void list_directory(const Image& image, const File& directory, Listing& listing) {
  const Directory entries = image.entries(directory);
  EntryName name;
  for (std::uint32_t index = 0; index < entries.size(); ++index) {
    const FileId id = image.entry(entries, index, name);
    listing.add(image.file(id), image_to_linux_name(name.view()));
  }
}

// Everything below the directory `path`, each with its path from there.
void list_tree(const Image& image, const std::u16string& path, Listing& listing) {
  using Step = transfer::ImageWalk::Step;
  transfer::ImageWalk walk(image, {path});
  std::optional<std::size_t> prefix;  // of the paths: the path of the directory and a slash
  for (Step step = walk.next(); step != Step::end; step = walk.next()) {
    if (step == Step::leave_directory || !walk.selected()) continue;
    if (prefix) {
      listing.add(walk.file(), walk.path().substr(*prefix));
    } else {
      prefix = walk.path().empty() ? 0 : walk.path().size() + 1;
    }
  }
}

void list(const ListOptions& options) {
  const Image image(options.image);
  const File file = find_file(image, options.path);
  Listing listing(image, options);
  if (!file.is_directory() || posix::is_symlink(file)) {
    listing.add(file, options.path);
  } else if (options.recursive) {
    list_tree(image, linux_to_image_path(options.path), listing);
  } else {
    list_directory(image, file, listing);
  }
  listing.finish();
}

void show_status(const FileOptions& options) {
  const Image image(options.image);
  const FileInfo info = file_info(image, find_file(image, options.path), options.path);
  print(options.json ? to_text(status_json(image, info), 2) + "\n" : status_text(image, info));
}

void print_stream(const Image& image, const Stream& stream) {
  constexpr std::size_t buffer_size = 1 << 20;
  std::string buffer(buffer_size, '\0');
  for (std::uint64_t offset = 0; offset < stream.length;) {
    const std::size_t size = image.read(stream, offset, std::as_writable_bytes(std::span(buffer)));
    print(std::string_view(buffer).substr(0, size));
    offset += size;
  }
}

void print_contents(const FileOptions& options) {
  const Image image(options.image);
  const FileInfo info = file_info(image, find_file(image, options.path), options.path);
  if (!S_ISREG(info.status.st_mode)) {
    throw Error(S_ISDIR(info.status.st_mode) ? Errc::is_a_directory : Errc::invalid_argument,
                options.path + ": is a " + type_name(info.status.st_mode));
  }
  try {
    print_stream(image, info.file.stream);
  } catch (const Error& error) {
    throw transfer::with_path(error, image, options.path);
  }
}

const char* region_type_name(RegionType type) {
  switch (type) {
    case RegionType::metadata:
      return "metadata";
    case RegionType::data:
      return "data";
    case RegionType::small_data:
      return "small data";
  }
  return "unknown";
}

Json info_json(const Image& image) {
  Json object = Json::object();
  set_text(object, "image", image.path());
  object["version"] = fmt::format("{}.{}", image.version_major(), image.version_minor());
  object["case_sensitive"] = image.case_sensitive();
  const transfer::Amount amount = transfer::measure_image(image, {});
  object["files"] = amount.files;
  object["bytes"] = amount.bytes;
  object["region_sets"] = Json::array();
  for (const RegionSetInfo& set : image.region_sets()) {
    Json regions = Json::array();
    for (const RegionInfo& region : set.regions) {
      Json entry = Json::object();
      set_text(entry, "path", region.path);
      entry["type"] = region_type_name(region.type);
      entry["size"] = region.size;
      regions.push_back(std::move(entry));
    }
    object["region_sets"].push_back({{"id", set.id}, {"regions", std::move(regions)}});
  }
  return object;
}

std::string info_text(const Image& image) {
  const transfer::Amount amount = transfer::measure_image(image, {});
  std::string text = fmt::format(
      "image: {}\nversion: {}.{}\nnames: {}\nfiles: {}, {} bytes\n", escape_controls(image.path()),
      image.version_major(), image.version_minor(),
      image.case_sensitive() ? "case-sensitive" : "case-insensitive", amount.files, amount.bytes);
  const std::vector<RegionSetInfo> sets = image.region_sets();
  for (const RegionSetInfo& set : sets) {
    text += fmt::format("region set: {}{}\n", set.id, &set == &sets.back() ? "" : " (parent)");
    for (const RegionInfo& region : set.regions) {
      text += fmt::format("  {:<10} {:>14} bytes  {}\n", region_type_name(region.type), region.size,
                          escape_controls(region.path));
    }
  }
  return text;
}

void show_info(const InfoOptions& options) {
  const Image image(options.image);
  print(options.json ? to_text(info_json(image), 2) + "\n" : info_text(image));
}

void add_json_flag(CLI::App& command, bool& json) {
  command.add_flag("--json", json, "Print JSON");
}

void add_ls(CLI::App& app) {
  CLI::App* command = app.add_subcommand("ls", "List a directory of an image");
  const auto options = std::make_shared<ListOptions>();
  add_image_argument(*command, options->image);
  command->add_option("PATH", options->path, "The directory, or a file; default: the root");
  command->add_flag("-l", options->long_format, "With mode, links, owner, size, time and target");
  command->add_flag("-R", options->recursive, "With everything below, by its path from PATH");
  add_json_flag(*command, options->json);
  set_action(*command, options->image, [options] { list(*options); });
}

void add_stat(CLI::App& app) {
  CLI::App* command = app.add_subcommand("stat", "Show everything about a file of an image");
  const auto options = std::make_shared<FileOptions>();
  add_image_argument(*command, options->image);
  command->add_option("PATH", options->path, "The file")->required();
  add_json_flag(*command, options->json);
  set_action(*command, options->image, [options] { show_status(*options); });
}

void add_cat(CLI::App& app) {
  CLI::App* command = app.add_subcommand("cat", "Print the contents of a file of an image");
  const auto options = std::make_shared<FileOptions>();
  add_image_argument(*command, options->image);
  command->add_option("PATH", options->path, "The file")->required();
  set_action(*command, options->image, [options] { print_contents(*options); });
}

void add_info(CLI::App& app) {
  CLI::App* command = app.add_subcommand("info", "Show what an image consists of");
  const auto options = std::make_shared<InfoOptions>();
  add_image_argument(*command, options->image);
  add_json_flag(*command, options->json);
  set_action(*command, options->image, [options] { show_info(*options); });
}

}  // namespace

void add_inspect_commands(CLI::App& app) {
  add_ls(app);
  add_stat(app);
  add_cat(app);
  add_info(app);
}

}  // namespace cim::cli
