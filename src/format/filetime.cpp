// FILETIME to and from Unix time.
#include "format/filetime.h"

#include <algorithm>
#include <limits>

namespace cim::format {
namespace {

constexpr std::int64_t nanoseconds_per_tick = 100;

// Seconds in ticks of 100 ns do not fit in 64 bits.
__extension__ typedef __int128 Ticks;

}  // namespace

std::int64_t to_filetime(const timespec& time) noexcept {
  const Ticks ticks = Ticks{time.tv_sec} * filetime_per_second +
                      time.tv_nsec / nanoseconds_per_tick + filetime_unix_epoch;
  return static_cast<std::int64_t>(std::clamp<Ticks>(
      ticks, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()));
}

timespec to_timespec(std::int64_t filetime) noexcept {
  const Ticks ticks = Ticks{filetime} - filetime_unix_epoch;
  Ticks seconds = ticks / filetime_per_second;
  if (ticks % filetime_per_second < 0) {
    --seconds;  // tv_nsec counts forward, before 1970 too
  }
  timespec time{};
  time.tv_sec = static_cast<std::time_t>(seconds);
  time.tv_nsec = static_cast<long>((ticks - seconds * filetime_per_second) * nanoseconds_per_tick);
  return time;
}

}  // namespace cim::format
