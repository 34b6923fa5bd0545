// Times as people and build systems write them. May be called from many threads at once.
#pragma once

#include <ctime>
#include <string>

namespace cim::posix {

// Reads a time in one of these forms of GNU tar's --mtime:
//
//   @SECONDS[.FRACTION]                             since 1970-01-01 UTC, may be negative
//   YYYY-MM-DD                                      midnight
//   YYYY-MM-DD[T ]HH:MM[:SS[.FRACTION]][ ][ZONE]    ZONE: Z, +HH:MM, +HHMM, +HH; or with -
//
// Without a zone it is local time (TZ). FRACTION has up to nine digits. Throws Error
// (invalid_argument) for anything else, and for a year that an image cannot hold.
timespec parse_time(const std::string& text);

// Reads the value of SOURCE_DATE_EPOCH: seconds since 1970-01-01 UTC, as `date +%s` prints them.
// Throws Error (invalid_argument).
timespec parse_source_date_epoch(const std::string& text);

}  // namespace cim::posix
