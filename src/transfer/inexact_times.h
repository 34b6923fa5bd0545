// Tells of the times that an image cannot hold as they are.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>

#include "transfer/progress.h"

namespace cim::transfer {

// Counts the files of a transfer whose time is finer than the 100 ns that an image holds: nearly
// all that a Linux kernel has stamped, so that they are worth one warning together and not one
// each. For one thread at a time.
class InexactTimes {
 public:
  // Notes that the file `path` of the source has the modification time `time`. One that is beyond
  // the years that an image holds, and so far off there, is warned about at once.
  void add(const timespec& time, const std::string& path, Progress& progress);

  // Warns of the rounded times, with their number and the first file, if there are any.
  void report(Progress& progress) const;

 private:
  std::uint64_t rounded_ = 0;
  std::string first_;
};

}  // namespace cim::transfer
