// What the daemon may still do while it serves.
#pragma once

namespace cim {

// Gives up what answering requests does not take, for the calling thread and those that it will
// start: capabilities, new privileges, every file that is not open yet (by Landlock, where the
// kernel has it), and every system call that serving does not need. One of those kills the process.
// Call it while there is one thread. Throws Error.
void enter_sandbox();

}  // namespace cim
