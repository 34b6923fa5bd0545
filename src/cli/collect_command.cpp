// cim gc
#include <memory>
#include <string>

#include <cim/error.h>
#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/escape.h"
#include "cli/file_json.h"
#include "program/standard_streams.h"
#include "writer/garbage.h"

namespace cim::cli {
namespace {

struct CollectOptions {
  std::string directory;
  bool dry_run = false;
  bool json = false;
};

Garbage find_garbage(const std::string& directory) {
  try {
    return Garbage(directory);
  } catch (const Error& error) {
    throw Error(error.code(), error.reason() + "; nothing is removed")
        .with_image(error.image())
        .with_path(error.path())
        .with_object(error.object());
  }
}

// Reports each file once it is gone.
class CollectReport {
 public:
  explicit CollectReport(const CollectOptions& options) : options_(options) {}

  void add(const Garbage::File& file) {
    ++count_;
    bytes_ += file.bytes;
    if (!options_.json) return print(file.name + "\n");
    Json object = Json::object();
    set_text(object, "name", file.name);
    object["bytes"] = file.bytes;
    files_.push_back(std::move(object));
  }

  void finish(const Garbage& garbage) const {
    if (options_.json) return print_json(garbage);
    for (const std::string& doubt : garbage.doubts()) {
      write_line({escape_controls(doubt), "; it is kept"});
    }
    write_line({fmt::format("{}: {} files {}, {} bytes {}", escape_controls(options_.directory),
                            count_, options_.dry_run ? "to remove" : "removed", bytes_,
                            options_.dry_run ? "to free" : "freed")});
  }

 private:
  void print_json(const Garbage& garbage) const {
    Json object = Json::object();
    set_text(object, "directory", options_.directory);
    object["dry_run"] = options_.dry_run;
    object["bytes"] = bytes_;
    object["files"] = files_;
    object["kept"] = garbage.doubts();
    print(to_text(object, 2) + "\n");
  }

  const CollectOptions& options_;
  std::uint64_t count_ = 0;
  std::uint64_t bytes_ = 0;
  Json files_ = Json::array();
};

void collect(const CollectOptions& options) {
  const Garbage garbage = find_garbage(options.directory);
  CollectReport report(options);
  for (const Garbage::File& file : garbage.files()) {
    if (!options.dry_run) garbage.remove(file);
    report.add(file);
  }
  report.finish(garbage);
}

}  // namespace

void add_collect_command(Command app) {
  const Command command =
      app.add_subcommand("gc", "Remove files that no image of a directory needs");
  const auto options = std::make_shared<CollectOptions>();
  command.add_option("DIR", options->directory, "The directory").required();
  command.add_flag("-n,--dry-run", options->dry_run, "Only list what would be removed");
  add_json_flag(command, options->json);
  command.footer(
      "Removes region and object id files that no image in DIR refers to, and files\n"
      "left there by killed writers, and prints their names. Removes nothing if an\n"
      "image in DIR cannot be read, or one is being written. Symbolic links to images\n"
      "count; images elsewhere do not. Do not run it while region files are copied to\n"
      "DIR.");
  set_action(command, options->directory, [options] { collect(*options); });
}

}  // namespace cim::cli
