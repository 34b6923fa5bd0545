// FILETIME, Windows' time: 100 ns since 1601-01-01 UTC. May be called from many threads at once.
#pragma once

#include <cstdint>
#include <ctime>

namespace cim::format {

inline constexpr std::int64_t filetime_unix_epoch = 116444736000000000;  // 1970-01-01
inline constexpr std::int64_t filetime_per_second = 10000000;

// Rounds down to 100 ns. Times that a signed FILETIME cannot hold (outside years -27627 to 30828)
// become the nearest that it can.
std::int64_t to_filetime(const timespec& time) noexcept;

// Exact.
timespec to_timespec(std::int64_t filetime) noexcept;

}  // namespace cim::format
