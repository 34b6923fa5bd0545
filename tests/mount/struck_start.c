// A shared object for LD_PRELOAD that strikes the daemon on its way to the background, at the call
// that $STRUCK_START names: `setsid` kills it there, `prctl` makes the sandbox fail.
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_struck(const char* call) {
  const char* const name = getenv("STRUCK_START");
  return name != NULL && strcmp(name, call) == 0;
}

pid_t setsid(void) {
  if (is_struck("setsid")) kill(getpid(), SIGKILL);
  return (pid_t)syscall(SYS_setsid);
}

int prctl(int option, ...) {
  if (option == PR_SET_NO_NEW_PRIVS && is_struck("prctl")) {
    errno = EPERM;
    return -1;
  }
  va_list rest;
  va_start(rest, option);
  unsigned long arguments[4];
  for (int i = 0; i < 4; ++i) arguments[i] = va_arg(rest, unsigned long);
  va_end(rest);
  return (int)syscall(SYS_prctl, option, arguments[0], arguments[1], arguments[2], arguments[3]);
}
