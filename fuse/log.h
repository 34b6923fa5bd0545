// Where the daemon's messages go: to standard error, or to syslog once it is in the background.
#pragma once

#include <string_view>

namespace cim {

// Sends everything logged from now on to syslog(3), or to standard error again. Call them while
// there is one thread.
void log_to_syslog();
void log_to_standard_error() noexcept;

// Writes `message`, one line without a newline. Thread-safe.
void log_error(std::string_view message) noexcept;

// Like log_error(), but writes each message only once, and a thousand at most, so that broken files
// do not fill the log. Repeats a message only if there was no memory to remember it. Thread-safe.
void log_error_once(std::string_view message) noexcept;

}  // namespace cim
