// Where the daemon's messages go: to standard error, or to syslog once it is in the background.
#pragma once

#include <string_view>

namespace cim {

// Sends everything logged from now on to syslog(3). Call it while there is one thread.
void log_to_syslog();

// Writes `message`, one line without a newline. Thread-safe.
void log_error(std::string_view message) noexcept;

// The same, but a message that has been written before is not written again: one broken file that
// is read over and over must not fill the log; unless there is no memory to remember it by.
// Thread-safe.
void log_error_once(std::string_view message) noexcept;

}  // namespace cim
