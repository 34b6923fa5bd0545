// See ready_notification.h.
#include "ready_notification.h"

#include <cerrno>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "log.h"

namespace cim {
namespace {

void log_failure(int error) {
  log_error(fmt::format("$NOTIFY_SOCKET: {}: nobody is told that the image is mounted",
                        std::strerror(error)));
}

// 0, or an errno.
int connect_to(int connection, std::string_view name) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (name[0] != '/' && name[0] != '@') return EAFNOSUPPORT;
  if (name.size() >= sizeof(address.sun_path)) return ENAMETOOLONG;
  name.copy(address.sun_path, name.size());
  if (name[0] == '@') address.sun_path[0] = '\0';  // a name that is not in the file system
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
  return connect(connection, reinterpret_cast<const sockaddr*>(&address), size) == 0 ? 0 : errno;
}

}  // namespace

ReadyNotification::ReadyNotification() {
  const char* const name = std::getenv("NOTIFY_SOCKET");
  if (name == nullptr || *name == '\0') return;
  FileDescriptor connection(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  const int error = connection ? connect_to(connection.get(), name) : errno;
  if (error == 0) {
    connection_ = std::move(connection);
  } else {
    log_failure(error);
  }
}

void ReadyNotification::send() const {
  constexpr std::string_view ready = "READY=1";
  if (!connection_) return;
  if (::send(connection_.get(), ready.data(), ready.size(), MSG_NOSIGNAL) < 0) log_failure(errno);
}

}  // namespace cim
