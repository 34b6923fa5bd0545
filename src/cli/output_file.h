// A file that a subcommand writes.
#pragma once

#include <string>

#include "image/file_descriptor.h"

namespace cim::cli {

// One that is not completed is removed.
class OutputFile {
 public:
  // Creates or overwrites `file`; "-" means standard output. `image` names the image that is read,
  // whose files are refused. Throws Error, also if it is a terminal.
  OutputFile(const std::string& file, const std::string& image);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  int fd() const noexcept { return fd_.get(); }
  const std::string& name() const noexcept { return name_; }  // for messages
  void keep() noexcept { remove_ = false; }

 private:
  const std::string name_;
  FileDescriptor fd_;
  bool remove_ = false;
};

}  // namespace cim::cli
