// Shows the progress of a transfer.
#pragma once

#include <chrono>
#include <string>

#include "transfer/progress.h"

namespace cim::cli {

// Prints warnings to standard error and, if that is a terminal that can show it, a progress bar:
// files, bytes, rate and remaining time, as far as they fit. The destructor and an interruption
// remove the bar.
class ProgressReport : public transfer::Progress {
 public:
  // Whether there is a bar, so that the total is worth measuring.
  static bool shows_bar();

  // `image` names the image in warnings; `total` is the amount of work, with 0 files if unknown.
  // Shows notes, too, if `verbose`.
  ProgressReport(std::string image, const transfer::Amount& total, bool verbose = false);
  ProgressReport(const ProgressReport&) = delete;
  ProgressReport& operator=(const ProgressReport&) = delete;
  ~ProgressReport() override;

  // Throws Interruption if the program is to end.
  void advance(const transfer::Amount& step) override;
  void warn(const std::string& message) override;
  void note(const std::string& message) override;

  // Removes the bar, to print something else. It comes back with the next advance().
  void clear() noexcept;

  // The number of calls to warn().
  std::uint64_t warnings() const noexcept { return warnings_; }

 private:
  static std::chrono::nanoseconds now() noexcept;
  void draw();
  void print_line(const std::string& message);
  std::string text(double elapsed_seconds, std::size_t width) const;

  const std::string image_;
  const transfer::Amount total_;
  const bool has_bar_;
  const bool verbose_;
  const std::chrono::nanoseconds start_ = now();
  std::chrono::nanoseconds next_draw_ = start_;
  transfer::Amount done_;
  std::uint64_t warnings_ = 0;
  bool drawn_ = false;
};

}  // namespace cim::cli
