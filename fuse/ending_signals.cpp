#include "ending_signals.h"

#include <cerrno>

#include <cim/error.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace cim {

EndingSignals::EndingSignals() {
  sigset_t ending;
  sigemptyset(&ending);
  for (const int number : {SIGHUP, SIGINT, SIGTERM}) {
    struct sigaction action;
    if (sigaction(number, nullptr, &action) == 0 && action.sa_handler != SIG_IGN) {
      sigaddset(&ending, number);
    }
  }
  fd_ = FileDescriptor(signalfd(-1, &ending, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd_) throw system_error(errno, "signalfd");
  pthread_sigmask(SIG_BLOCK, &ending, &before_);
}

EndingSignals::~EndingSignals() {
  signalfd_siginfo signal;
  while (read(fd_.get(), &signal, sizeof(signal)) > 0) {  // these have been acted upon
  }
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
}

}  // namespace cim
