// An archive that a command reads.
#pragma once

#include <string>

#include "image/file_descriptor.h"

namespace cim::cli {

class InputArchive {
 public:
  // Opens `file`; `-` is standard input. Throws Error; invalid_argument for a terminal.
  explicit InputArchive(const std::string& file);

  int fd() const noexcept { return fd_.get(); }
  const std::string& name() const noexcept { return name_; }  // for messages

 private:
  FileDescriptor fd_;
  std::string name_;
};

}  // namespace cim::cli
