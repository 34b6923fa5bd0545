// Shows the progress of a transfer.
#pragma once

#include <chrono>
#include <string>

#include "transfer/progress.h"

namespace cim::cli {

// Prints warnings to standard error and, if that is a terminal, shows a progress bar there: files,
// bytes, rate and remaining time. The destructor removes the bar.
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

  void advance(const transfer::Amount& step) override;
  void warn(const std::string& message) override;
  void note(const std::string& message) override;

  // The number of calls to warn().
  std::uint64_t warnings() const noexcept { return warnings_; }

 private:
  using Clock = std::chrono::steady_clock;

  void draw();
  void clear() noexcept;
  void print_line(const std::string& message);
  std::string text(double elapsed_seconds) const;

  const std::string image_;
  const transfer::Amount total_;
  const bool has_bar_;
  const bool verbose_;
  const Clock::time_point start_ = Clock::now();
  Clock::time_point next_draw_ = start_;
  transfer::Amount done_;
  std::uint64_t warnings_ = 0;
  bool drawn_ = false;
};

}  // namespace cim::cli
