// Times as people and build systems write them.
#include "posix/timestamp.h"

#include <charconv>
#include <chrono>
#include <cstdint>
#include <optional>
#include <regex>
#include <system_error>

#include <cim/error.h>

#include "format/filetime.h"

namespace cim::posix {
namespace {

constexpr long nanoseconds_per_second = 1000000000;

// The value of `digits`; nothing if it does not fit.
std::optional<std::int64_t> to_number(const std::string& digits) {
  std::int64_t number = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, number);
  if (error != std::errc() || stop != end) return std::nullopt;
  return number;
}

// The digits after the point, at most nine, as nanoseconds.
long to_nanoseconds(std::string digits) {
  digits.resize(9, '0');
  return static_cast<long>(*to_number(digits));
}

std::optional<timespec> parse_seconds(const std::string& text) {
  static const std::regex form(R"(@(-?\d+)(?:\.(\d{1,9}))?)");
  std::smatch parts;
  if (!std::regex_match(text, parts, form)) return std::nullopt;
  const auto seconds = to_number(parts[1]);
  if (!seconds) return std::nullopt;
  timespec time = {*seconds, to_nanoseconds(parts[2])};
  // The fraction of a negative number leads away from 1970, but tv_nsec counts forward.
  if (text[1] == '-' && time.tv_nsec > 0) {
    --time.tv_sec;
    time.tv_nsec = nanoseconds_per_second - time.tv_nsec;
  }
  return time;
}

// How many seconds `zone`, such as +01:30, is ahead of UTC.
std::optional<long> parse_offset(const std::string& zone) {
  if (zone == "Z") return 0;
  const int hours = std::stoi(zone.substr(1, 2));
  const int minutes = zone.size() > 3 ? std::stoi(zone.substr(zone.size() - 2)) : 0;
  if (hours > 23 || minutes > 59) return std::nullopt;
  const long offset = (hours * 60L + minutes) * 60;
  return zone[0] == '-' ? -offset : offset;
}

bool is_valid(const std::tm& time) {
  const std::chrono::year_month_day date(std::chrono::year(time.tm_year + 1900),
                                         std::chrono::month(static_cast<unsigned>(time.tm_mon) + 1),
                                         std::chrono::day(static_cast<unsigned>(time.tm_mday)));
  return date.ok() && time.tm_hour < 24 && time.tm_min < 60 && time.tm_sec < 60;
}

std::optional<timespec> parse_calendar(const std::string& text) {
  static const std::regex form(R"((\d{4})-(\d\d)-(\d\d))"
                               R"((?:[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?)"
                               R"( ?(Z|[+-]\d\d(?::?\d\d)?)?)?)");
  std::smatch parts;
  if (!std::regex_match(text, parts, form)) return std::nullopt;
  const auto field = [&parts](std::size_t index) {
    return parts[index].matched ? std::stoi(parts[index]) : 0;
  };
  std::tm time = {};
  time.tm_year = field(1) - 1900;
  time.tm_mon = field(2) - 1;
  time.tm_mday = field(3);
  time.tm_hour = field(4);
  time.tm_min = field(5);
  time.tm_sec = field(6);
  time.tm_isdst = -1;  // mktime() finds it out
  if (!is_valid(time)) return std::nullopt;
  const long nanoseconds = to_nanoseconds(parts[7]);
  if (!parts[8].matched) return timespec{mktime(&time), nanoseconds};
  const auto offset = parse_offset(parts[8]);
  if (!offset) return std::nullopt;
  return timespec{timegm(&time) - *offset, nanoseconds};
}

bool fits_an_image(const timespec& time) {
  return format::to_timespec(format::to_filetime(time)).tv_sec == time.tv_sec;
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
  const auto seconds = to_number(text);
  if (!seconds || !fits_an_image({*seconds, 0})) {
    throw Error(Errc::invalid_argument, "'" + text + "' is not a number of seconds since 1970");
  }
  return {*seconds, 0};
}

}  // namespace cim::posix
