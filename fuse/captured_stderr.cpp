// What other code writes to standard error.
#include "captured_stderr.h"

#include <algorithm>
#include <utility>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

namespace cim {

CapturedStderr::CapturedStderr() noexcept
    : buffer_(memfd_create("stderr", MFD_CLOEXEC)),
      before_(fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0)) {
  if (buffer_ && before_) dup2(buffer_.get(), STDERR_FILENO);
}

std::string_view CapturedStderr::take() noexcept {
  end();
  const ssize_t size = pread(buffer_.get(), text_.data(), text_.size(), 0);
  return {text_.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))};
}

void CapturedStderr::end() noexcept {
  const FileDescriptor before = std::exchange(before_, FileDescriptor());
  if (buffer_ && before) dup2(before.get(), STDERR_FILENO);
}

}  // namespace cim
