// Times as people and build systems write them.
#include "posix/timestamp.h"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <system_error>

#include <cim/error.h>

#include "format/filetime.h"

namespace cim::posix {
namespace {

constexpr long nanoseconds_per_second = 1000000000;

// Takes a text apart from left to right. What returns whether it found something takes that only
// then.
class Scanner {
 public:
  explicit Scanner(std::string_view rest) : rest_(rest) {}

  bool at_end() const { return rest_.empty(); }

  bool skip(char character) {
    if (!rest_.starts_with(character)) return false;
    rest_.remove_prefix(1);
    return true;
  }

  // An integer, maybe with a minus sign, that fits.
  bool integer(std::int64_t& value) {
    const char* const begin = rest_.data();
    const auto [stop, error] = std::from_chars(begin, begin + rest_.size(), value);
    if (error != std::errc()) return false;
    rest_.remove_prefix(static_cast<std::size_t>(stop - begin));
    return true;
  }

  // Exactly `count` digits.
  bool digits(std::size_t count, int& value) {
    if (count_digits(count) < count) return false;
    std::from_chars(rest_.data(), rest_.data() + count, value);
    rest_.remove_prefix(count);
    return true;
  }

  // One to nine digits after the point.
  bool fraction(long& nanoseconds) {
    const std::size_t count = count_digits(9);
    if (count == 0) return false;
    std::string digits(rest_.substr(0, count));
    digits.resize(9, '0');
    std::from_chars(digits.data(), digits.data() + digits.size(), nanoseconds);
    rest_.remove_prefix(count);
    return true;
  }

 private:
  std::size_t count_digits(std::size_t max) const {
    return std::min(rest_.find_first_not_of("0123456789"), std::min(rest_.size(), max));
  }

  std::string_view rest_;
};

bool fits_an_image(const timespec& time) {
  return format::to_timespec(format::to_filetime(time)).tv_sec == time.tv_sec;
}

std::optional<timespec> parse_seconds(const std::string& text) {
  Scanner scanner(text);
  std::int64_t seconds = 0;
  long nanoseconds = 0;
  if (!scanner.skip('@') || !scanner.integer(seconds)) return std::nullopt;
  if (scanner.skip('.') && !scanner.fraction(nanoseconds)) return std::nullopt;
  if (!scanner.at_end() || !fits_an_image({seconds, nanoseconds})) return std::nullopt;
  // The fraction of a negative number leads away from 1970, but tv_nsec counts forward.
  if (text[1] == '-' && nanoseconds > 0) {
    --seconds;
    nanoseconds = nanoseconds_per_second - nanoseconds;
  }
  return timespec{seconds, nanoseconds};
}

bool parse_date(Scanner& scanner, std::tm& time) {
  const bool is_date = scanner.digits(4, time.tm_year) && scanner.skip('-') &&
                       scanner.digits(2, time.tm_mon) && scanner.skip('-') &&
                       scanner.digits(2, time.tm_mday);
  time.tm_year -= 1900;
  time.tm_mon -= 1;
  return is_date;
}

bool parse_time_of_day(Scanner& scanner, std::tm& time, long& nanoseconds) {
  if (!scanner.skip('T') && !scanner.skip(' ')) return false;
  if (!scanner.digits(2, time.tm_hour) || !scanner.skip(':')) return false;
  if (!scanner.digits(2, time.tm_min)) return false;
  if (!scanner.skip(':')) return true;
  if (!scanner.digits(2, time.tm_sec)) return false;
  return !scanner.skip('.') || scanner.fraction(nanoseconds);
}

// How many seconds the zone that comes next, such as +01:30, is ahead of UTC.
std::optional<long> parse_offset(Scanner& scanner) {
  if (scanner.skip('Z')) return 0;
  const bool is_behind = scanner.skip('-');
  if (!is_behind && !scanner.skip('+')) return std::nullopt;
  int hours = 0;
  int minutes = 0;
  if (!scanner.digits(2, hours)) return std::nullopt;
  const bool has_minutes = scanner.skip(':') || !scanner.at_end();
  if (has_minutes && !scanner.digits(2, minutes)) return std::nullopt;
  if (hours > 23 || minutes > 59) return std::nullopt;
  const long offset = (hours * 60L + minutes) * 60;
  return is_behind ? -offset : offset;
}

bool is_valid(const std::tm& time) {
  const std::chrono::year_month_day date(std::chrono::year(time.tm_year + 1900),
                                         std::chrono::month(static_cast<unsigned>(time.tm_mon) + 1),
                                         std::chrono::day(static_cast<unsigned>(time.tm_mday)));
  return date.ok() && time.tm_hour < 24 && time.tm_min < 60 && time.tm_sec < 60;
}

std::optional<timespec> parse_calendar(const std::string& text) {
  Scanner scanner(text);
  std::tm time = {};
  long nanoseconds = 0;
  if (!parse_date(scanner, time)) return std::nullopt;
  if (!scanner.at_end()) {
    if (!parse_time_of_day(scanner, time, nanoseconds)) return std::nullopt;
    scanner.skip(' ');
  }
  if (!is_valid(time)) return std::nullopt;
  if (scanner.at_end()) {
    time.tm_isdst = -1;  // mktime() finds it out
    return timespec{mktime(&time), nanoseconds};
  }
  const auto offset = parse_offset(scanner);
  if (!offset || !scanner.at_end()) return std::nullopt;
  return timespec{timegm(&time) - *offset, nanoseconds};
}

}  // namespace

timespec parse_time(const std::string& text) {
  const auto time = text.starts_with('@') ? parse_seconds(text) : parse_calendar(text);
  if (!time || !fits_an_image(*time)) {
    throw Error(Errc::invalid_argument,
                "'" + text + "' is not a time like 2026-01-02T03:04:05Z or @1767323045");
  }
  return *time;
}

timespec parse_source_date_epoch(const std::string& text) {
  Scanner scanner(text);
  std::int64_t seconds = 0;
  if (!scanner.integer(seconds) || !scanner.at_end() || !fits_an_image({seconds, 0})) {
    throw Error(Errc::invalid_argument, "'" + text + "' is not a number of seconds since 1970");
  }
  return {seconds, 0};
}

}  // namespace cim::posix
