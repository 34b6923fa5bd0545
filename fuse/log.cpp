// Writes messages to standard error or syslog.
#include "log.h"

#include <ctime>
#include <mutex>
#include <new>
#include <string>
#include <unordered_set>

#include <syslog.h>

#include "program/standard_streams.h"

namespace cim {
namespace {

bool in_syslog = false;

// After this many different messages, more would tell nobody anything new.
constexpr std::size_t max_remembered = 1000;

// Whether to write `message`. Remembers it.
bool is_news(std::string_view message) noexcept {
  static std::mutex mutex;
  static std::unordered_set<std::string> written;
  const std::lock_guard lock(mutex);
  try {
    return written.size() < max_remembered && written.emplace(message).second;
  } catch (const std::bad_alloc&) {
    return true;
  }
}

}  // namespace

void log_to_syslog() {
  // Both open what the sandbox will put out of reach.
  openlog("cimfs", LOG_PID | LOG_NDELAY, LOG_DAEMON);
  tzset();
  in_syslog = true;
}

void log_to_standard_error() noexcept { in_syslog = false; }

void log_error(std::string_view message) noexcept {
  if (in_syslog) {
    syslog(LOG_ERR, "%.*s", static_cast<int>(message.size()), message.data());
  } else {
    write_line({message});
  }
}

void log_error_once(std::string_view message) noexcept {
  if (is_news(message)) log_error(message);
}

}  // namespace cim
