// A shared object for LD_PRELOAD that makes one call of a program that changes files fail, or kills
// the program there. Calls are counted over all threads, from 1. The environment:
//
//   FILE_FAULTS_AT         the number of the call
//   FILE_FAULTS_KIND       ENOSPC, EIO, EDQUOT, EINTR, short (a write of half the bytes), kill
//                          (SIGKILL before the call) or interrupt (SIGINT before the call)
//   FILE_FAULTS_NO_TMPFILE if set, O_TMPFILE fails as on a file system without it
//   FILE_FAULTS_LOG        a file that gets a line per call: its name, its result, the inode it is
//                          about, and the name it gives or takes; a line `fault` before the one
//                          that is struck
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
  fault_none = 0,
  fault_short = -1,
  fault_kill = -2,
  fault_interrupt = -3
};  // otherwise an errno

static atomic_long calls;
static long fault_at;
static int fault_kind;
static bool has_tmpfile = true;
static int log_fd = -1;

static int to_fault(const char* name) {
  if (strcmp(name, "ENOSPC") == 0) return ENOSPC;
  if (strcmp(name, "EIO") == 0) return EIO;
  if (strcmp(name, "EDQUOT") == 0) return EDQUOT;
  if (strcmp(name, "EINTR") == 0) return EINTR;
  if (strcmp(name, "short") == 0) return fault_short;
  if (strcmp(name, "kill") == 0) return fault_kill;
  if (strcmp(name, "interrupt") == 0) return fault_interrupt;
  abort();
}

__attribute__((constructor)) static void read_environment(void) {
  const char* at = getenv("FILE_FAULTS_AT");
  const char* kind = getenv("FILE_FAULTS_KIND");
  const char* log = getenv("FILE_FAULTS_LOG");
  has_tmpfile = getenv("FILE_FAULTS_NO_TMPFILE") == NULL;
  if (at != NULL && kind != NULL) {
    fault_at = atol(at);
    fault_kind = to_fault(kind);
  }
  if (log != NULL) {
    log_fd =
        (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (log_fd < 0) abort();
  }
}

static void put_line(const char* line, int length) {
  if (log_fd >= 0 && syscall(SYS_write, log_fd, line, length) != length) abort();
}

static void log_call(const char* call, long result, int fd, const char* path, int flags,
                     const char* name) {
  if (log_fd < 0) return;
  const int error = errno;
  struct stat status = {0};
  if (path == NULL) {
    fstat(fd, &status);
  } else {
    fstatat(fd, path, &status, flags);
  }
  char line[512];
  const int length = snprintf(line, sizeof(line), "%s %ld %lu %s\n", call, result,
                              (unsigned long)status.st_ino, name);
  put_line(line, length < (int)sizeof(line) ? length : (int)sizeof(line) - 1);
  errno = error;
}

// Counts a call. Returns what is to happen to it, with errno set if it is to fail.
static int next_fault(void) {
  if (atomic_fetch_add(&calls, 1) + 1 != fault_at) return fault_none;
  put_line("fault\n", 6);
  if (fault_kind == fault_kill) kill(getpid(), SIGKILL);
  if (fault_kind == fault_interrupt) raise(SIGINT);
  if (fault_kind > 0) errno = fault_kind;
  return fault_kind;
}

static size_t struck_length(int fault, size_t length) {
  return fault == fault_short && length > 1 ? length / 2 : length;
}

// The functions are those of the C library, with the names that 64-bit offsets give them.

ssize_t write(int fd, const void* data, size_t length) {
  const int fault = next_fault();
  const long result = fault > 0 ? -1 : syscall(SYS_write, fd, data, struck_length(fault, length));
  log_call("write", result, fd, NULL, 0, "-");
  return result;
}

ssize_t pwrite64(int fd, const void* data, size_t length, off_t position) {
  const int fault = next_fault();
  const long result =
      fault > 0 ? -1 : syscall(SYS_pwrite64, fd, data, struck_length(fault, length), position);
  log_call("write", result, fd, NULL, 0, "-");
  return result;
}

ssize_t pwritev64(int fd, const struct iovec* parts, int count, off_t position) {
  const int fault = next_fault();
  const int written = fault == fault_short && count > 1 ? count / 2 : count;
  const long result = fault > 0 ? -1 : syscall(SYS_pwritev, fd, parts, written, position, 0);
  log_call("write", result, fd, NULL, 0, "-");
  return result;
}

ssize_t copy_file_range(int from, off_t* from_position, int to, off_t* to_position, size_t length,
                        unsigned flags) {
  const int fault = next_fault();
  const long result = fault > 0 ? -1
                                : syscall(SYS_copy_file_range, from, from_position, to, to_position,
                                          struck_length(fault, length), flags);
  log_call("write", result, to, NULL, 0, "-");
  return result;
}

int ftruncate64(int fd, off_t length) {
  const int result = next_fault() > 0 ? -1 : (int)syscall(SYS_ftruncate, fd, length);
  log_call("write", result, fd, NULL, 0, "-");
  return result;
}

int fallocate64(int fd, int mode, off_t position, off_t length) {
  const int result =
      next_fault() > 0 ? -1 : (int)syscall(SYS_fallocate, fd, mode, position, length);
  log_call("write", result, fd, NULL, 0, "-");
  return result;
}

int ioctl(int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  if (request != FICLONERANGE) return (int)syscall(SYS_ioctl, fd, request, argument);
  const int result = next_fault() > 0 ? -1 : (int)syscall(SYS_ioctl, fd, request, argument);
  log_call("write", result, fd, NULL, 0, "-");
  return result;
}

int sync_file_range(int fd, off_t from, off_t length, unsigned flags) {
  const int result =
      next_fault() > 0 ? -1 : (int)syscall(SYS_sync_file_range, fd, from, length, flags);
  log_call("flush", result, fd, NULL, 0, "-");
  return result;
}

int fsync(int fd) {
  const int result = next_fault() > 0 ? -1 : (int)syscall(SYS_fsync, fd);
  log_call("fsync", result, fd, NULL, 0, "-");
  return result;
}

int fdatasync(int fd) {
  const int result = next_fault() > 0 ? -1 : (int)syscall(SYS_fdatasync, fd);
  log_call("fsync", result, fd, NULL, 0, "-");
  return result;
}

int openat64(int directory, const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = va_arg(arguments, mode_t);
  va_end(arguments);
  const bool unnamed = (flags & O_TMPFILE) == O_TMPFILE;
  if (!unnamed && (flags & O_CREAT) == 0) {
    return (int)syscall(SYS_openat, directory, path, flags, mode);
  }
  int result = -1;
  if (next_fault() <= 0) {
    errno = EOPNOTSUPP;
    if (!unnamed || has_tmpfile) result = (int)syscall(SYS_openat, directory, path, flags, mode);
  }
  log_call("open", result, result, NULL, 0, path);
  return result;
}

int linkat(int from, const char* path, int to, const char* name, int flags) {
  const int result = next_fault() > 0 ? -1 : (int)syscall(SYS_linkat, from, path, to, name, flags);
  log_call("name", result, to, name, AT_SYMLINK_NOFOLLOW, name);
  return result;
}

int renameat2(int from, const char* path, int to, const char* name, unsigned flags) {
  const int result =
      next_fault() > 0 ? -1 : (int)syscall(SYS_renameat2, from, path, to, name, flags);
  log_call("name", result, to, name, AT_SYMLINK_NOFOLLOW, name);
  return result;
}

int renameat(int from, const char* path, int to, const char* name) {
  return renameat2(from, path, to, name, 0);
}

int unlinkat(int directory, const char* name, int flags) {
  const int result = next_fault() > 0 ? -1 : (int)syscall(SYS_unlinkat, directory, name, flags);
  log_call("unlink", result, directory, NULL, 0, name);
  return result;
}
