// Runs another program and collects its messages.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace cim {

struct ProgramResult {
  // 128 plus the signal's number if a signal ended it, as in a shell. Nothing if it cannot be
  // known: this process ignores SIGCHLD, or reaps all its children elsewhere.
  std::optional<int> exit_status;
  std::string message;  // its standard error on one line, without the program's name
};

// Runs `arguments`, the first of which is the program: a path, or a name to look up in $PATH. Waits
// until it has exited and no process has its standard error open any more. It inherits standard
// input and output, a clean signal state and no other descriptors. Returns nothing if there is no
// such program. Throws Error if it cannot be started. May be called from many threads at once.
//
// A process with privileges that its caller lacks (AT_SECURE, getauxval(3)) looks up names only
// where this project and the system install programs, and passes on no environment.
std::optional<ProgramResult> run_program(const std::vector<std::string>& arguments);

}  // namespace cim
