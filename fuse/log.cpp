// Writes messages to standard error or syslog.
#include "log.h"

#include <ctime>
#include <mutex>
#include <unordered_set>

#include <syslog.h>

#include "program/standard_streams.h"

namespace cim {
namespace {

bool in_syslog = false;

// Beyond this many different messages only a reader of the whole image would learn anything new.
constexpr std::size_t max_remembered = 1000;

// Whether `message` is to be written. Remembers it.
bool is_news(const std::string& message) {
  static std::mutex mutex;
  static std::unordered_set<std::string> written;
  const std::lock_guard lock(mutex);
  return written.size() < max_remembered && written.insert(message).second;
}

}  // namespace

void log_to_syslog() {
  // Both open what the sandbox keeps out of reach later.
  openlog("cimfs", LOG_PID | LOG_NDELAY, LOG_DAEMON);
  tzset();
  in_syslog = true;
}

void log_error(const std::string& message) {
  if (in_syslog) {
    syslog(LOG_ERR, "%s", message.c_str());
  } else {
    write_message({"cimfs: ", message, "\n"});
  }
}

void log_error_once(const std::string& message) {
  if (is_news(message)) log_error(message);
}

}  // namespace cim
