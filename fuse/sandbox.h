// What the daemon may still do while it serves.
#pragma once

namespace cim {

// Gives up everything that answering requests does not need, for the calling thread and the threads
// that it will start: capabilities, new privileges, every file that is not open yet (by Landlock,
// where the kernel has it), and all other system calls, which fail or kill the process. Call it
// while there is one thread. Throws Error.
void enter_sandbox();

}  // namespace cim
