// Verifying an image: everything that can be wrong with it, without stopping at the first. May be
// called from many threads at once, with an observer each.
#pragma once

#include <cstdint>
#include <string>

namespace cim {

// Is told what a check finds and how far it has got. Called from the thread that checks.
class CheckObserver {
 public:
  virtual ~CheckObserver() = default;

  // Something breaks the format (`is_error`), or something that reading does not need is missing.
  // `message` is one line that starts with the path of the image.
  virtual void found(bool is_error, const std::string& message) = 0;

  // How much there is to do: records of files, and bytes of data to digest. Called at most once,
  // before advance().
  virtual void expect(std::uint64_t files, std::uint64_t bytes) = 0;
  virtual void advance(std::uint64_t files, std::uint64_t bytes) = 0;
};

struct CheckResult {
  std::uint64_t errors = 0;
  std::uint64_t warnings = 0;
  std::uint64_t files = 0;    // that can be reached from the root
  std::uint64_t unused = 0;   // records that cannot: removed files leave them behind
  std::uint64_t objects = 0;  // whose digests were compared
};

// Verifies the image at `path`, and with `data` also that its data has the digests in the object id
// files. If there are very many problems, `observer` is told only the first, but all are counted.
// The check ends whatever the image says, and its memory grows with the records that the image
// really holds. Throws Error if there is no such file or it cannot be read.
CheckResult check_image(const std::string& path, bool data, CheckObserver& observer);

}  // namespace cim
