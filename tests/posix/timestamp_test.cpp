// Times as people and build systems write them.
#include "posix/timestamp.h"

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <utility>

#include <cim/error.h>
#include <gtest/gtest.h>

namespace cim::posix {
namespace {

using Time = std::pair<std::int64_t, long>;  // seconds, nanoseconds

std::optional<Time> parsed(const std::string& text) {
  try {
    const timespec time = parse_time(text);
    return Time(time.tv_sec, time.tv_nsec);
  } catch (const Error& error) {
    EXPECT_EQ(Errc::invalid_argument, error.code());
    EXPECT_NE(std::string(error.what()).find("'" + text + "'"), std::string::npos) << error.what();
    return std::nullopt;
  }
}

// Sets the time zone of the process while it lives.
class TimeZone {
 public:
  explicit TimeZone(const char* name) {
    if (const char* before = std::getenv("TZ")) before_ = before;
    setenv("TZ", name, 1);
    tzset();
  }
  TimeZone(const TimeZone&) = delete;
  TimeZone& operator=(const TimeZone&) = delete;
  ~TimeZone() {
    if (before_) {
      setenv("TZ", before_->c_str(), 1);
    } else {
      unsetenv("TZ");
    }
    tzset();
  }

 private:
  std::optional<std::string> before_;
};

TEST(ParseTime, TakesSecondsSince1970) {
  EXPECT_EQ(Time(0, 0), parsed("@0"));
  EXPECT_EQ(Time(1767323045, 0), parsed("@1767323045"));
  EXPECT_EQ(Time(1, 500000000), parsed("@1.5"));
  EXPECT_EQ(Time(1, 123456789), parsed("@1.123456789"));
  EXPECT_EQ(Time(-1, 0), parsed("@-1"));
  EXPECT_EQ(Time(-2, 750000000), parsed("@-1.25"));
  EXPECT_EQ(Time(-1, 750000000), parsed("@-0.25"));
}

TEST(ParseTime, TakesACalendarTimeOfAZone) {
  EXPECT_EQ(Time(1767323045, 0), parsed("2026-01-02T03:04:05Z"));
  EXPECT_EQ(Time(1767323045, 0), parsed("2026-01-02 03:04:05Z"));
  EXPECT_EQ(Time(1767323045, 250000000), parsed("2026-01-02T03:04:05.25Z"));
  EXPECT_EQ(Time(1767323045, 0), parsed("2026-01-02T04:34:05+01:30"));
  EXPECT_EQ(Time(1767323045, 0), parsed("2026-01-02 04:34:05 +0130"));
  EXPECT_EQ(Time(1767323045, 0), parsed("2026-01-01T22:04:05-05"));
  EXPECT_EQ(Time(1767323040, 0), parsed("2026-01-02T03:04Z"));
  EXPECT_EQ(Time(-11644473600, 0), parsed("1601-01-01T00:00:00Z"));
  EXPECT_EQ(Time(951782400, 0), parsed("2000-02-29T00:00:00Z"));
}

TEST(ParseTime, TakesALocalTime) {
  const TimeZone zone("EST5EDT,M3.2.0,M11.1.0");
  EXPECT_EQ(Time(1767323045, 0), parsed("2026-01-01T22:04:05"));
  EXPECT_EQ(Time(1767243600, 0), parsed("2026-01-01"));
  EXPECT_EQ(Time(1782878400, 0), parsed("2026-07-01")) << "daylight saving time";
}

TEST(ParseTime, RefusesAnythingElse) {
  for (const char* text : {"",
                           "@",
                           "@x",
                           "@1x",
                           "@1.",
                           "@1.1234567890",
                           "@ 1",
                           "@0x10",
                           "@99999999999999999999",
                           "@9223372036854775807",
                           "yesterday",
                           "2026",
                           "2026-1-2",
                           "2026-13-01",
                           "2026-00-01",
                           "2026-02-29",
                           "2026-01-02T",
                           "2026-01-02T24:00:00Z",
                           "2026-01-02T03:60:00Z",
                           "2026-01-02T03:04:60Z",
                           "2026-01-02T03:04:05+24:00",
                           "2026-01-02T03:04:05+01:60",
                           "2026-01-02T03:04:05X",
                           "2026-01-02Z",
                           " 2026-01-02",
                           "2026-01-02\n"}) {
    EXPECT_EQ(std::nullopt, parsed(text)) << text;
  }
}

TEST(ParseTime, RefusesNumbersOfAnyLength) {
  const std::string digits(1 << 20, '9');
  EXPECT_EQ(std::nullopt, parsed("@" + digits));
  EXPECT_EQ(std::nullopt, parsed("@-9223372036854775808.5"));
  EXPECT_EQ(std::nullopt, parsed("@1." + digits));
  EXPECT_EQ(std::nullopt, parsed("2026-01-02T03:04:05." + digits));
}

TEST(ParseSourceDateEpoch, TakesSecondsOnly) {
  EXPECT_EQ(1767323045, parse_source_date_epoch("1767323045").tv_sec);
  EXPECT_EQ(-1, parse_source_date_epoch("-1").tv_sec);
  for (const char* text : {"", "1.5", "@1", " 1", "1 ", "+1", "2026-01-02", "99999999999999999"}) {
    EXPECT_THROW(parse_source_date_epoch(text), Error) << text;
  }
}

}  // namespace
}  // namespace cim::posix
