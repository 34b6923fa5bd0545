// What happens when a mapped page cannot be read: the file has become shorter, or its disk fails.
// The kernel sends SIGBUS, which ends a process that does not handle it. How to do so is a
// program's choice, never the library's; the program makes it while it has one thread. All else
// here may be called from many threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace cim {

// From now on a fault in a Mapping ends the process with the exit status that `status` then holds,
// and writes one line to standard error. `status` must live until then.
void exit_at_mapping_faults(const int& status);

// From now on a fault in a Mapping makes the page read as zeros for a while, so that the thread
// goes on. What it and other threads read meanwhile cannot be trusted: see FaultWatch.
void survive_mapping_faults();

// Tells a thread whether it can trust what it has read from Mappings. For the thread that made it.
class FaultWatch {
 public:
  enum class Outcome {
    sound,
    faulted,    // this thread has met a page that cannot be read
    disturbed,  // another one has, and this one may have read zeros: do the work again
  };

  // Starts a piece of work: from here on, pages show what their files hold.
  void begin() noexcept;

  // How the work has gone so far.
  Outcome outcome() const noexcept;

  // For a user: in which file this thread has faulted, and why.
  static std::string complaint();

 private:
  std::uint64_t faults_before_ = 0;
};

// For Mapping: `bytes` map the file at `path` from now on, or no longer.
void add_mapping(const std::byte* bytes, std::size_t size, const std::string& path);
void remove_mapping(const std::byte* bytes) noexcept;

}  // namespace cim
