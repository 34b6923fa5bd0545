// cim du
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/escape.h"
#include "cli/file_json.h"
#include "posix/attributes.h"
#include "program/standard_streams.h"
#include "transfer/image_walk.h"

namespace cim::cli {
namespace {

struct UsageOptions {
  std::string image;
  std::vector<std::string> paths;
  bool json = false;
};

// Both in bytes.
struct Usage {
  std::uint64_t apparent = 0;  // the sizes of regular files and symbolic links
  std::uint64_t stored = 0;    // the data in region files; shared data counts once

  Usage& operator+=(const Usage& other) {
    apparent += other.apparent;
    stored += other.stored;
    return *this;
  }
};

// Counts the usage that files add to that of the files before them.
class UsageCounter {
 public:
  explicit UsageCounter(const Image& image) : image_(image) {}

  // For anything but a directory.
  Usage count(const File& file) {
    if (!files_.insert(file.id).second) return {};  // one more hard link
    if (posix::is_symlink(file)) return {.apparent = posix::symlink_target(image_, file).size()};
    if (file.stream.type == StreamType::link_table) return {};  // a Windows oddity, not walked
    return {.apparent = file.stream.length, .stored = count_data(file.stream)};
  }

 private:
  std::uint64_t count_data(const Stream& stream) {
    if (stream.sparse || stream.length == 0) return 0;
    if (!streams_.insert(stream.region_offset).second) return 0;
    std::uint64_t bytes = 0;
    for (auto data = image_.seek(stream, 0, true); data;) {
      const std::uint64_t hole = image_.seek(stream, *data, false).value_or(stream.length);
      bytes += hole - *data;
      data = image_.seek(stream, hole, true);
    }
    return bytes;
  }

  const Image& image_;
  std::unordered_set<FileId> files_;
  std::unordered_set<std::uint64_t> streams_;  // by region offset
};

class UsageReport {
 public:
  explicit UsageReport(bool json) : json_(json) {}

  void add(const std::string& path, const Usage& usage) {
    if (!json_) {
      print(fmt::format("{}\t{}\t{}\n", usage.apparent, usage.stored, escape_for_terminal(path)));
      return;
    }
    Json object = Json::object();
    set_text(object, "path", path);
    object["apparent"] = usage.apparent;
    object["stored"] = usage.stored;
    array_.add(object);
  }

  void finish() {
    if (json_) array_.finish();
  }

 private:
  const bool json_;
  JsonArrayPrinter array_;
};

// Adds up the usage of directories on a walk, and reports each when the walk leaves it.
class DirectoryTotals {
 public:
  explicit DirectoryTotals(UsageReport& report) : report_(report) {}

  void enter(const std::string& path) { levels_.push_back({path, {}}); }

  void add_file(const std::string& path, const Usage& usage) {
    if (levels_.empty()) return report_.add(path, usage);
    levels_.back().usage += usage;
  }

  void leave() {
    if (levels_.empty()) return;  // a directory above the reported ones
    const Level done = std::move(levels_.back());
    levels_.pop_back();
    report_.add(done.path, done.usage);
    if (!levels_.empty()) levels_.back().usage += done.usage;
  }

 private:
  struct Level {
    std::string path;
    Usage usage;
  };

  UsageReport& report_;
  std::vector<Level> levels_;  // the directories that the walk is in
};

// Reports the directory at `start` and those below it, each after its contents; or the file there.
void report_tree(const Image& image, const std::string& start, UsageCounter& counter,
                 UsageReport& report) {
  using Step = transfer::ImageWalk::Step;
  DirectoryTotals totals(report);
  transfer::ImageWalk walk(image, {linux_to_image_path(start)}, transfer::EntryOrder::bytes);
  std::optional<std::size_t> start_length;  // of the path as spelled in the image
  for (Step step = walk.next(); step != Step::end; step = walk.next()) {
    if (step == Step::leave_directory) {
      totals.leave();
      continue;
    }
    if (!walk.selected()) continue;
    if (!start_length) start_length = walk.path().size();
    const std::string path = path_below(start, walk.path().substr(*start_length));
    if (step == Step::enter_directory) {
      totals.enter(path);
    } else {
      totals.add_file(path, counter.count(walk.file()));
    }
  }
}

void report_usage(const UsageOptions& options) {
  const Image image(options.image);
  std::vector<std::string> paths = options.paths;
  if (paths.empty()) paths.emplace_back();
  for (const std::string& path : paths) find_file(image, path);
  UsageCounter counter(image);
  UsageReport report(options.json);
  for (const std::string& path : paths) report_tree(image, path, counter, report);
  report.finish();
}

}  // namespace

void add_disk_usage_command(CLI::App& app) {
  CLI::App* command = app.add_subcommand("du", "Show how much data directories of an image hold");
  const auto options = std::make_shared<UsageOptions>();
  add_image_argument(*command, options->image);
  command->add_option("PATH", options->paths, "Directories or files; default: the root");
  add_json_flag(*command, options->json);
  command->footer(
      "Prints a line for each PATH, after a line for each directory below it: two\n"
      "numbers of bytes and the path. The first number is the apparent size, that of\n"
      "all regular files and symbolic links, hard links counted once. The second is\n"
      "the data that is stored, without holes; data that several files share counts\n"
      "once, where it is met first.");
  set_action(*command, options->image, [options] { report_usage(*options); });
}

}  // namespace cim::cli
