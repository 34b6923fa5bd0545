// Reports the times that an image cannot hold exactly.
#include "transfer/inexact_times.h"

#include <fmt/format.h>

#include "format/filetime.h"

namespace cim::transfer {

void InexactTimes::add(const timespec& time, const EntrySource& source, Progress& progress) {
  const timespec stored = format::to_timespec(format::to_filetime(time));
  if (stored.tv_sec != time.tv_sec) {
    progress.warn(
        fmt::format("{}: its time, {} s from 1970, becomes {}, the nearest that an image "
                    "can hold",
                    source.name(), time.tv_sec, stored.tv_sec));
  } else if (stored.tv_nsec != time.tv_nsec && rounded_++ == 0) {
    first_ = source.name();
  }
}

void InexactTimes::report(Progress& progress) const {
  if (rounded_ == 1) {
    progress.note(fmt::format("{}: its time was rounded down to 100 ns", first_));
  } else if (rounded_ > 1) {
    progress.note(fmt::format("{} times were rounded down to 100 ns, the first that of {}",
                              rounded_, first_));
  }
}

}  // namespace cim::transfer
