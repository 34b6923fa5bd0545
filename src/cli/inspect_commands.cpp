// cim stat, cat and info
#include <memory>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/escape.h"
#include "cli/file_json.h"
#include "cli/status_text.h"
#include "program/standard_streams.h"
#include "transfer/extract.h"
#include "transfer/registry_hives.h"

namespace cim::cli {
namespace {

struct FileOptions {
  std::string image;
  std::string path;
  bool json = false;
};

struct InfoOptions {
  std::string image;
  bool json = false;
};

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
  const Stream stream = find_stream(image, options.path);
  try {
    print_stream(image, stream);
  } catch (const Error& error) {
    throw error.with_path(options.path);
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
  const transfer::ImageAmount amount = transfer::measure_image(image, {});
  object["files"] = amount.files;
  object["bytes"] = amount.bytes;
  object["executables"] = amount.executables;
  object["tombstones"] = amount.tombstones;
  object["merge_links"] = amount.merge_links;
  const std::vector<std::string> hives = transfer::unmerged_hives(image);
  if (!hives.empty()) object["unmerged_hives"] = hives;
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
  const transfer::ImageAmount amount = transfer::measure_image(image, {});
  std::string text = fmt::format(
      "image: {}\nversion: {}.{}\nnames: {}\ntimes: to 100 ns\nfiles: {}, {} bytes\n",
      escape_controls(image.path()), image.version_major(), image.version_minor(),
      image.case_sensitive() ? "case-sensitive" : "case-insensitive", amount.files, amount.bytes);
  if (amount.executables > 0) {
    text += fmt::format("executables: {}, stored as Windows stores them\n", amount.executables);
  }
  if (amount.tombstones > 0) text += fmt::format("tombstones: {}\n", amount.tombstones);
  if (amount.merge_links > 0) text += fmt::format("merge links: {}\n", amount.merge_links);
  for (const std::string& hive : transfer::unmerged_hives(image)) {
    text += fmt::format("registry: {} is not merged\n", hive);
  }
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

void add_stat(Command app) {
  const Command command = app.add_subcommand("stat", "Show everything about a file of an image");
  const auto options = std::make_shared<FileOptions>();
  add_image_argument(command, options->image);
  command.add_option("PATH", options->path, "The file").required();
  add_json_flag(command, options->json);
  set_action(command, options->image, [options] { show_status(*options); });
}

void add_cat(Command app) {
  const Command command = app.add_subcommand("cat", "Print the contents of a file of an image");
  const auto options = std::make_shared<FileOptions>();
  add_image_argument(command, options->image);
  command.add_option("PATH", options->path, "The file; FILE:STREAM for an alternate stream of it")
      .required();
  set_action(command, options->image, [options] { print_contents(*options); });
}

void add_info(Command app) {
  const Command command = app.add_subcommand("info", "Show what an image consists of");
  const auto options = std::make_shared<InfoOptions>();
  add_image_argument(command, options->image);
  add_json_flag(command, options->json);
  set_action(command, options->image, [options] { show_info(*options); });
}

}  // namespace

void add_inspect_commands(Command app) {
  add_stat(app);
  add_cat(app);
  add_info(app);
}

}  // namespace cim::cli
