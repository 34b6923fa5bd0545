// A file that a subcommand writes.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "image/file_descriptor.h"
#include "program/interruption.h"

namespace cim::cli {

// One that is not completed is removed. An interruption ends the program only at the next
// check_interruption(), so that this is done.
class OutputFile {
 public:
  // Creates or overwrites `file`; "-" means standard output. `images` names the images that are
  // read, whose files are refused. Throws Error, also if it is a terminal.
  OutputFile(const std::string& file, const std::vector<std::string>& images);
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
  std::optional<DeferredInterruption> deferred_;  // not for a pipe, which may be blocked for long
};

}  // namespace cim::cli
