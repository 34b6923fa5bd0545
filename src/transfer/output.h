// Where bytes are written, from start to end.
#pragma once

#include <string>

#include <cim/metadata.h>

namespace cim::transfer {

// For one thread at a time.
class Output {
 public:
  virtual ~Output() = default;

  // Appends `data`. Throws Error if that is not possible.
  virtual void write(ByteView data) = 0;
};

// A file, from its current position on, or a pipe.
class FileOutput : public Output {
 public:
  // `fd` must stay open; `name` names it in errors.
  FileOutput(int fd, std::string name) : fd_(fd), name_(std::move(name)) {}

  void write(ByteView data) override;

 private:
  const int fd_;
  const std::string name_;
};

}  // namespace cim::transfer
