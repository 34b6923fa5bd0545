// Shows the progress of a transfer.
#include "cli/progress_report.h"

#include <algorithm>
#include <cstdlib>
#include <ctime>
#include <initializer_list>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/escape.h"
#include "cli/file_fields.h"
#include "program/interruption.h"
#include "program/standard_streams.h"

namespace cim::cli {
namespace {

constexpr std::chrono::milliseconds draw_interval(100);
constexpr int bar_width = 10;
constexpr const char* clear_line = "\r\033[K";

// The cost of a file besides its data, in bytes that take as long to copy.
constexpr double file_cost = 16384.0;

double cost(const transfer::Amount& amount) {
  return static_cast<double>(amount.bytes) + static_cast<double>(amount.files) * file_cost;
}

// Some terminals cannot go back to the start of a line.
bool is_dumb_terminal() {
  const char* const type = std::getenv("TERM");
  return type == nullptr || std::string_view(type) == "dumb";
}

std::size_t terminal_width() {
  if (const char* const columns = std::getenv("COLUMNS")) {
    const long width = std::strtol(columns, nullptr, 10);
    if (width > 0) return static_cast<std::size_t>(width);
  }
  winsize size = {};
  constexpr std::size_t customary_width = 80;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return customary_width;
  return size.ws_col;
}

std::string duration(double seconds) {
  const auto whole = static_cast<std::uint64_t>(seconds);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

// The first of `lines`, each made of parts, that has at most `width` characters; "" if none has.
std::string first_that_fits(std::initializer_list<std::vector<std::string>> lines,
                            std::size_t width) {
  for (const std::vector<std::string>& parts : lines) {
    const std::string line = fmt::format("{}", fmt::join(parts, "  "));
    if (line.size() <= width) return line;
  }
  return {};
}

}  // namespace

bool ProgressReport::shows_bar() { return isatty(STDERR_FILENO) == 1 && !is_dumb_terminal(); }

// Not the exact clock, which costs more than a small file where the kernel must be asked for it.
std::chrono::nanoseconds ProgressReport::now() noexcept {
  timespec time = {};
  clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

ProgressReport::ProgressReport(std::string image, const transfer::Amount& total, bool verbose)
    : image_(std::move(image)), total_(total), has_bar_(shows_bar()), verbose_(verbose) {}

ProgressReport::~ProgressReport() { clear(); }

void ProgressReport::advance(const transfer::Amount& step) {
  check_interruption();
  done_.files += step.files;
  done_.bytes += step.bytes;
  if (has_bar_ && now() >= next_draw_) draw();
}

void ProgressReport::warn(const std::string& message) {
  ++warnings_;
  print_line(message);
}

void ProgressReport::note(const std::string& message) {
  if (verbose_) print_line(message);
}

void ProgressReport::print_line(const std::string& message) {
  clear();
  write_line({escape_controls(image_ + ": " + message)});
}

void ProgressReport::draw() {
  const auto time = now();
  next_draw_ = time + draw_interval;
  drawn_ = true;
  set_interruption_text(clear_line);
  // Leaves the last column empty: a character there would move some terminals to the next line.
  const std::string line =
      text(std::chrono::duration<double>(time - start_).count(), terminal_width() - 1);
  write_message({clear_line, line});
}

void ProgressReport::clear() noexcept {
  if (!std::exchange(drawn_, false)) return;
  write_message({clear_line});
  set_interruption_text(nullptr);
}

// The parts of the line that fit into `width` columns, which differ in how much people want to know
// them.
std::string ProgressReport::text(double elapsed_seconds, std::size_t width) const {
  const double bytes = static_cast<double>(done_.bytes);
  const auto rate = static_cast<std::uint64_t>(bytes / std::max(elapsed_seconds, 0.001));
  const std::string files = fmt::format("{} files", done_.files);
  const std::string size = human_size(done_.bytes);
  const std::string speed = fmt::format("{}/s", human_size(rate));
  if (total_.files == 0)
    return first_that_fits({{files, size, speed}, {files, size}, {files}}, width);
  // A source can grow after it has been measured.
  const double fraction = std::min(cost(done_) / std::max(cost(total_), 1.0), 1.0);
  const std::string bar(static_cast<std::size_t>(fraction * bar_width), '#');
  const double remaining = fraction > 0 ? elapsed_seconds / fraction * (1 - fraction) : 0;
  const std::string graph = fmt::format("[{:<{}}]", bar, bar_width);
  const std::string percent = fmt::format("{:3.0f}%", fraction * 100);
  const std::string files_of = fmt::format("{}/{} files", done_.files, total_.files);
  const std::string size_of = fmt::format("{}/{}", size, human_size(total_.bytes));
  const std::string left = fmt::format("{} left", duration(remaining));
  return first_that_fits({{graph + " " + percent, files_of, size_of, speed, left},
                          {percent, files_of, size_of, speed, left},
                          {percent, size_of, speed, left},
                          {percent, size_of, left},
                          {percent, left},
                          {percent}},
                         width);
}

}  // namespace cim::cli
