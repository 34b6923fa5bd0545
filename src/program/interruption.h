// The end of a program by SIGHUP, SIGINT or SIGTERM. For programs with one thread that handles
// this.
#pragma once

namespace cim {

// Thrown when the program is to end because of `signal`. Not a std::exception: nothing but main()
// should stop it.
struct Interruption {
  int signal;
};

// Lets these signals end the program as ever, except that the terminal is tidied up first. Signals
// that are ignored, as by nohup(1), stay so. Call it once.
void handle_interruptions();

// From now on, an interruption writes `text` to standard error first; null: nothing. The text must
// live on.
void set_interruption_text(const char* text) noexcept;

// Ends the program by `signal`, for the sake of whoever waits for it.
[[noreturn]] void end_by_signal(int signal) noexcept;

// While it lives, these signals do not end the program, but make check_interruption() throw. If
// nothing has asked by then, the destructor ends the program.
class DeferredInterruption {
 public:
  DeferredInterruption() noexcept;
  DeferredInterruption(const DeferredInterruption&) = delete;
  DeferredInterruption& operator=(const DeferredInterruption&) = delete;
  ~DeferredInterruption();
};

// Throws Interruption if there was a signal while a DeferredInterruption lived. Costs next to
// nothing.
void check_interruption();

}  // namespace cim
