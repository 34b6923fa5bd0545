// FILETIMEs against Unix times.
#include "format/filetime.h"

#include <limits>
#include <random>

#include <gtest/gtest.h>

namespace cim::format {
namespace {

constexpr std::int64_t max_filetime = std::numeric_limits<std::int64_t>::max();
constexpr std::int64_t min_filetime = std::numeric_limits<std::int64_t>::min();

void expect_timespec(std::int64_t filetime, std::time_t seconds, long nanoseconds) {
  const timespec time = to_timespec(filetime);
  EXPECT_EQ(time.tv_sec, seconds) << filetime;
  EXPECT_EQ(time.tv_nsec, nanoseconds) << filetime;
}

TEST(FiletimeTest, CountsFrom1601) {
  expect_timespec(0, -11644473600, 0);
  expect_timespec(116444736000000000, 0, 0);
  expect_timespec(133801632001234567, 1735689600, 123456700);  // 2025-01-01
}

TEST(FiletimeTest, NanosecondsCountForwardBefore1970) {
  expect_timespec(116444735999999999, -1, 999999900);
  expect_timespec(-1, -11644473601, 999999900);
}

TEST(FiletimeTest, RoundsDown) {
  EXPECT_EQ(to_filetime({0, 199}), filetime_unix_epoch + 1);
  EXPECT_EQ(to_filetime({-1, 999999999}), filetime_unix_epoch - 1);
}

TEST(FiletimeTest, EveryFiletimeComesBackTheSame) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 10000; ++i) {
    const auto filetime = static_cast<std::int64_t>(random());
    ASSERT_EQ(to_filetime(to_timespec(filetime)), filetime);
  }
  for (const std::int64_t filetime :
       {min_filetime, min_filetime + 1, std::int64_t{-1}, std::int64_t{0}, std::int64_t{1},
        max_filetime - 1, max_filetime}) {
    EXPECT_EQ(to_filetime(to_timespec(filetime)), filetime);
  }
}

TEST(FiletimeTest, TimesOutOfRangeBecomeTheNearest) {
  EXPECT_EQ(to_filetime({std::numeric_limits<std::time_t>::max(), 999999999}), max_filetime);
  EXPECT_EQ(to_filetime({std::numeric_limits<std::time_t>::min(), 0}), min_filetime);
}

}  // namespace
}  // namespace cim::format
