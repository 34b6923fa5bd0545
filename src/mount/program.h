// Running another program and hearing what it has to say.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace cim {

struct ProgramResult {
  // 128 + the signal's number if one ended it, as in a shell. Nothing if it cannot be known: this
  // process ignores SIGCHLD, or waits for all of its children by itself.
  std::optional<int> exit_status;
  std::string message;  // what it wrote to standard error, on one line, without its own name
};

// Runs `arguments`, whose first is the program: a path, or a name to look up in $PATH. Waits until
// it has exited and nobody holds its standard error any more. It inherits standard input and
// output, a clean signal state and no other descriptors. Returns nothing if there is no such
// program. Throws Error if it cannot be started. May be called from many threads at once.
//
// A process that has privileges which whoever started it lacks (AT_SECURE, getauxval(3)) looks up
// names where this project and the system have their programs, and passes no environment on.
std::optional<ProgramResult> run_program(const std::vector<std::string>& arguments);

}  // namespace cim
