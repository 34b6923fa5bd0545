// What a transfer tells its caller while it runs.
#pragma once

#include <cstdint>
#include <string>

namespace cim::transfer {

// The amount of work to do, or already done.
struct Amount {
  std::uint64_t files = 0;  // of every kind, directories included
  std::uint64_t bytes = 0;  // of file data, holes included
};

// A transfer calls these functions on its own thread.
class Progress {
 public:
  virtual ~Progress() = default;

  // `step` is the work done since the last call. Called at least once per file.
  virtual void advance(const Amount& step) = 0;

  // Something could not be transferred unchanged, and the transfer goes on without it. `message` is
  // one line that names the file and the reason.
  virtual void warn(const std::string& message) = 0;

  // Something is not quite as it was, but that is normal. `message` is like that of a warning.
  virtual void note(const std::string& /*message*/) {}
};

}  // namespace cim::transfer
