// Shows the progress of a transfer.
#include "cli/progress_report.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/escape.h"
#include "program/interruption.h"
#include "program/standard_streams.h"

namespace cim::cli {
namespace {

constexpr std::chrono::milliseconds draw_interval(100);
constexpr int bar_width = 10;  // leaves room for the rest of the line in 80 columns
constexpr double mebibyte = 1024.0 * 1024.0;
constexpr const char* clear_to_end = "\033[K";  // of the terminal's line

// The cost of a file besides its data, in bytes that take as long to copy.
constexpr double file_cost = 16384.0;

double cost(const transfer::Amount& amount) {
  return static_cast<double>(amount.bytes) + static_cast<double>(amount.files) * file_cost;
}

std::size_t terminal_width() {
  winsize size = {};
  constexpr std::size_t customary_width = 80;
  if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return customary_width;
  return size.ws_col;
}

std::string duration(double seconds) {
  const auto whole = static_cast<std::uint64_t>(seconds);
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

}  // namespace

bool ProgressReport::shows_bar() { return isatty(STDERR_FILENO) == 1; }

ProgressReport::ProgressReport(std::string image, const transfer::Amount& total, bool verbose)
    : image_(std::move(image)), total_(total), has_bar_(shows_bar()), verbose_(verbose) {}

ProgressReport::~ProgressReport() { clear(); }

void ProgressReport::advance(const transfer::Amount& step) {
  check_interruption();
  done_.files += step.files;
  done_.bytes += step.bytes;
  if (has_bar_ && Clock::now() >= next_draw_) draw();
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
  write_message({"cim: ", escape_controls(image_ + ": " + message), "\n"});
}

void ProgressReport::draw() {
  const auto now = Clock::now();
  next_draw_ = now + draw_interval;
  drawn_ = true;
  // Leaves the last column empty: a character there would move some terminals to the next line.
  const std::string line = text(std::chrono::duration<double>(now - start_).count());
  write_message({"\r", std::string_view(line).substr(0, terminal_width() - 1), clear_to_end});
}

void ProgressReport::clear() noexcept {
  if (std::exchange(drawn_, false)) write_message({"\r", clear_to_end});
}

std::string ProgressReport::text(double elapsed_seconds) const {
  const double bytes = static_cast<double>(done_.bytes);
  const double rate = bytes / std::max(elapsed_seconds, 0.001);
  if (total_.files == 0) {
    return fmt::format("{} files  {:.1f} MiB  {:.1f} MiB/s", done_.files, bytes / mebibyte,
                       rate / mebibyte);
  }
  // A source can grow after it has been measured.
  const double fraction = std::min(cost(done_) / std::max(cost(total_), 1.0), 1.0);
  const auto filled = static_cast<int>(fraction * bar_width);
  const double remaining = fraction > 0 ? elapsed_seconds / fraction * (1 - fraction) : 0;
  return fmt::format("[{:<{}}] {:3.0f}%  {}/{} files  {:.1f}/{:.1f} MiB  {:.1f} MiB/s  {} left",
                     std::string(static_cast<std::size_t>(filled), '#'), bar_width, fraction * 100,
                     done_.files, total_.files, bytes / mebibyte,
                     static_cast<double>(total_.bytes) / mebibyte, rate / mebibyte,
                     duration(remaining));
}

}  // namespace cim::cli
