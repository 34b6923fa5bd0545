// What other code writes to standard error.
#pragma once

#include <array>
#include <string_view>

#include "image/file_descriptor.h"

namespace cim {

// While it exists, standard error goes to a buffer: of this process, and of programs that it runs.
// For one thread at a time.
class CapturedStderr {
 public:
  // Captures nothing if the system does not let it.
  CapturedStderr() noexcept;
  CapturedStderr(const CapturedStderr&) = delete;
  CapturedStderr& operator=(const CapturedStderr&) = delete;
  ~CapturedStderr() { end(); }

  // Ends the capture, and returns the start of the text, which lives as long as this. Allocates
  // nothing.
  std::string_view take() noexcept;

 private:
  void end() noexcept;

  FileDescriptor buffer_;
  FileDescriptor before_;
  std::array<char, 4096> text_;
};

}  // namespace cim
