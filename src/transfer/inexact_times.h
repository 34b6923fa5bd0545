// Reports the times that an image cannot hold exactly.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>

#include "transfer/entry.h"
#include "transfer/progress.h"

namespace cim::transfer {

// Counts the files of a transfer whose time is finer than the 100 ns that an image holds. A Linux
// kernel stamps nearly all files like that, so they get one note together. For one
// thread at a time.
class InexactTimes {
 public:
  // Notes that the current entry of `source` has the modification time `time`. Warns at once of a
  // time outside the years that an image holds, which changes much more.
  void add(const timespec& time, const EntrySource& source, Progress& progress);

  // Notes the rounded times, if any, with their number and the first file.
  void report(Progress& progress) const;

 private:
  std::uint64_t rounded_ = 0;
  std::string first_;
};

}  // namespace cim::transfer
