// cim du
#include <cerrno>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/disk_usage.h"
#include "cli/disk_usage_page.h"
#include "cli/escape.h"
#include "cli/file_fields.h"
#include "cli/file_json.h"
#include "cli/output_file.h"
#include "image/file_io.h"
#include "program/standard_streams.h"
#include "transfer/extract.h"
#include "transfer/image_walk.h"

namespace cim::cli {
namespace {

struct UsageOptions {
  std::string image;
  std::vector<std::string> paths;
  bool human_readable = false;
  bool json = false;
  std::string html;  // the file to write; empty: none
};

// A page shows each file of an image of up to this many, and of larger images what holds at least
// one part in `max_shown_parts` of all data: a browser can handle no more.
constexpr std::uint64_t max_shown_files = 50000;
constexpr std::uint64_t max_shown_parts = 20000;

class UsageReport {
 public:
  explicit UsageReport(const UsageOptions& options) : options_(options) {}

  void add(const std::string& path, const Usage& usage) {
    if (!options_.json) {
      print(fmt::format("{}\t{}\t{}\n", size(usage.apparent), size(usage.stored()),
                        escape_for_terminal(path)));
      return;
    }
    Json object = Json::object();
    set_text(object, "path", path);
    object["apparent"] = usage.apparent;
    object["stored"] = usage.stored();
    array_.add(object);
  }

  void finish() {
    if (options_.json) array_.finish();
  }

 private:
  std::string size(std::uint64_t bytes) const {
    return options_.human_readable ? human_size(bytes) : std::to_string(bytes);
  }

  const UsageOptions& options_;
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
  transfer::ImageWalk walk(image, {.paths = {linux_to_image_path(start)}},
                           transfer::EntryOrder::bytes);
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

void write_page(const UsageOptions& options) {
  using Step = transfer::ImageWalk::Step;
  const Image image(options.image);
  const transfer::ImageAmount amount = transfer::measure_image(image, {});
  DiskUsagePage page(amount.files <= max_shown_files ? 0 : amount.bytes / max_shown_parts);
  UsageCounter counter(image);
  transfer::ImageWalk walk(image, {}, transfer::EntryOrder::bytes);
  for (Step step = walk.next(); step != Step::end; step = walk.next()) {
    if (step == Step::enter_directory) page.enter(walk.name());
    if (step == Step::file) page.add_file(walk.name(), counter.count(walk.file()));
    if (step == Step::leave_directory) page.leave();
  }
  const std::string html = page.html(options.image);
  OutputFile output(options.html, {options.image});
  if (!write_all(output.fd(), html.data(), html.size())) throw system_error(errno, output.name());
  output.keep();
}

void report_usage(const UsageOptions& options) {
  const Image image(options.image);
  std::vector<std::string> paths = options.paths;
  if (paths.empty()) paths.emplace_back();
  for (const std::string& path : paths) find_file(image, path);
  UsageCounter counter(image);
  UsageReport report(options);
  for (const std::string& path : paths) report_tree(image, path, counter, report);
  report.finish();
}

}  // namespace

void add_disk_usage_command(Command app) {
  const Command command =
      app.add_subcommand("du", "Show how much data directories of an image hold");
  const auto options = std::make_shared<UsageOptions>();
  command.reserve_short_h();
  add_image_argument(command, options->image);
  command.add_option("PATH", options->paths, "Directories or files; default: the root");
  const Option human_readable =
      command.add_flag("-h", options->human_readable, "Show sizes as 4.0K, 23M, 1.5G");
  add_json_flag(command, options->json).excludes(human_readable);
  command
      .add_option("--html", options->html,
                  "Write a page for a browser to this file instead:\n"
                  "a map of the whole image, to look around in")
      .type_name("FILE");
  command.footer(
      "Prints a line for each PATH, after a line for each directory below it: two\n"
      "numbers of bytes and the path. The first number is the apparent size, that of\n"
      "all regular files and symbolic links, hard links counted once. The second is\n"
      "the data that is stored, without holes; data that several files share counts\n"
      "once, where it is met first.");
  set_action(command, options->image, [options] {
    if (options->html.empty()) return report_usage(*options);
    if (!options->paths.empty() || options->json) {
      throw UsageError("--html: shows the whole image; leave out PATH and --json");
    }
    write_page(*options);
  });
}

}  // namespace cim::cli
