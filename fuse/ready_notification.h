// Tells a service manager that the service is ready: sd_notify(3), without its library.
#pragma once

#include "image/file_descriptor.h"

namespace cim {

// Connects to the manager on construction, as the sandbox lets nothing connect later. Without
// $NOTIFY_SOCKET nobody wants to know, and send() does nothing. Failures are logged, and nothing
// else: the mount serves in any case.
class ReadyNotification {
 public:
  ReadyNotification();

  void send() const;

 private:
  FileDescriptor connection_;
};

}  // namespace cim
