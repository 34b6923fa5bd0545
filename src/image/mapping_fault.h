// What happens when a mapped page cannot be had: the file has become shorter, or its disk fails.
// The kernel sends SIGBUS, which ends a process that is not prepared. How to be is a program's
// choice, never the library's; it makes it while it has one thread. All else here may be called
// from many threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace cim {

// From now on a fault in a Mapping ends the process with the exit status that `status` then holds,
// and one line on standard error, which starts with `program`. Both must stay as long.
void exit_at_mapping_faults(const char* program, const int& status);

// From now on a fault in a Mapping makes zeros of the page for a while, so that the thread goes on.
// Its work, and that of other threads meanwhile, is worth nothing: see FaultWatch.
void survive_mapping_faults();

// Tells a thread whether it can trust what it has read from Mappings. For the thread that made it.
class FaultWatch {
 public:
  enum class Outcome {
    sound,
    faulted,    // this thread has met a page that cannot be had
    disturbed,  // another one has, and this one may have read zeros: to be done again
  };

  // Starts a piece of work: from here on pages are what their files hold.
  void begin() noexcept;

  // What has become of it so far.
  Outcome outcome() const noexcept;

  // Says, when the thread has faulted, in which file.
  static std::string complaint();

 private:
  std::uint64_t faults_before_ = 0;
};

// For Mapping: `bytes`, of a mapping of the file at `path`, exist, or do not any more.
void add_mapping(const std::byte* bytes, std::size_t size, const std::string& path);
void remove_mapping(const std::byte* bytes) noexcept;

}  // namespace cim
