// What a transfer tells its caller while it runs.
#pragma once

#include <cstdint>
#include <string>

namespace cim::transfer {

// How much there is to do, or has been done.
struct Amount {
  std::uint64_t files = 0;  // of every kind, directories included
  std::uint64_t bytes = 0;  // of file data, holes included
};

// Called by a transfer from the thread that runs it.
class Progress {
 public:
  virtual ~Progress() = default;

  // `step` more has been done since the last call. Called at least once per file.
  virtual void advance(const Amount& step) = 0;

  // Something could not be transferred as it is, and the transfer goes on without it. `message` is
  // one line that names the file and the reason.
  virtual void warn(const std::string& message) = 0;
};

}  // namespace cim::transfer
