#include "working/tree_command.h"

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <exception>

#include <cim/error.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image/file_descriptor.h"
#include "program/standard_streams.h"

namespace cim::working {
namespace {

constexpr int exit_not_found = 127;  // as in a shell

FileDescriptor open_directory(const char* path) {
  FileDescriptor fd(open(path, O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!fd) throw system_error(errno, path);
  return fd;
}

bool make_mounts_slaves() { return mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) == 0; }

// From now on mounts of others come into this mount namespace, but none of its own go out.
void separate_mounts() {
  if (make_mounts_slaves()) return;
  if (errno != EINVAL) throw system_error(errno, "namespace of mounts");
  // After chroot(2), the root need not be a mount. That of the namespace is one.
  const FileDescriptor root = open_directory("/");
  const FileDescriptor current = open_directory(".");
  const FileDescriptor self(static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0)));
  if (!self || setns(self.get(), CLONE_NEWNS) != 0 || !make_mounts_slaves() ||
      fchdir(root.get()) != 0 || chroot(".") != 0 || fchdir(current.get()) != 0) {
    throw system_error(errno, "namespace of mounts");
  }
}

// In this mount namespace, makes /proc show the processes of this one of processes. Where that is
// forbidden, as in containers, it goes on showing those of the system.
void set_up_mounts() {
  separate_mounts();
  mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
}

// They are mounts, so nothing in them becomes part of the tree.
void bind_system_directories(const std::string& tree) {
  for (const char* directory : {"/dev", "/proc", "/sys"}) {
    const std::string target = tree + directory;
    struct stat status;
    if (lstat(target.c_str(), &status) != 0 || !S_ISDIR(status.st_mode)) continue;
    if (mount(directory, target.c_str(), nullptr, MS_BIND | MS_REC, nullptr) != 0) {
      throw system_error(errno, target);
    }
  }
}

std::vector<std::string> shell() {
  const char* const name = std::getenv("SHELL");
  if (name != nullptr && access(name, X_OK) == 0) return {name};
  return {"/bin/sh"};
}

void enter(const TreeCommand& command) {
  const char* const directory = command.directory.c_str();
  if (command.as_root_directory) bind_system_directories(command.directory);
  if (command.as_root_directory && chroot(directory) != 0) throw system_error(errno, directory);
  if (chdir(command.as_root_directory ? "/" : directory) != 0) throw system_error(errno, directory);
}

// Becomes the program. Returns only if that fails.
void execute(std::vector<std::string> words) {
  if (words.empty()) words = shell();
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  write_line({argv[0], ": ", std::strerror(errno)});
}

// While it lives, this process ignores what the terminal tells the program in its foreground.
class TerminalSignalsIgnored {
 public:
  TerminalSignalsIgnored() noexcept
      : interrupt_(std::signal(SIGINT, SIG_IGN)), quit_(std::signal(SIGQUIT, SIG_IGN)) {}
  TerminalSignalsIgnored(const TerminalSignalsIgnored&) = delete;
  TerminalSignalsIgnored& operator=(const TerminalSignalsIgnored&) = delete;
  ~TerminalSignalsIgnored() { restore(); }

  void restore() const noexcept {
    std::signal(SIGINT, interrupt_);
    std::signal(SIGQUIT, quit_);
  }

 private:
  sighandler_t interrupt_;
  sighandler_t quit_;
};

// A shell takes the terminal for itself, and cannot give it back to a process outside its
// namespace. So the destructor takes it back.
class TerminalTakenBack {
 public:
  TerminalTakenBack() noexcept : foreground_(tcgetpgrp(STDIN_FILENO)) {}
  TerminalTakenBack(const TerminalTakenBack&) = delete;
  TerminalTakenBack& operator=(const TerminalTakenBack&) = delete;
  ~TerminalTakenBack() {
    if (foreground_ != getpgrp()) return;
    const sighandler_t before = std::signal(SIGTTOU, SIG_IGN);
    tcsetpgrp(STDIN_FILENO, foreground_);
    std::signal(SIGTTOU, before);
  }

 private:
  const pid_t foreground_;
};

int status_of(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

// Waits for `child`, and reaps whatever else ends meanwhile.
int wait_for(pid_t child) {
  int status = 0;
  while (true) {
    const pid_t ended = waitpid(-1, &status, 0);
    if (ended == child) return status_of(status);
    if (ended < 0 && errno != EINTR) throw system_error(errno, "wait");
  }
}

// The first process of a namespace of processes, all of which end with it.
int run_as_first(const std::function<void()>& mount, const TreeCommand& command,
                 const TerminalSignalsIgnored& ignored, int started) {
  set_up_mounts();
  mount();
  if (write(started, "", 1) != 1) throw system_error(errno, "pipe");
  const pid_t child = fork();
  if (child < 0) throw system_error(errno, "fork");
  if (child > 0) return wait_for(child);
  ignored.restore();
  enter(command);
  execute(command.words);
  return exit_not_found;
}

// fork(2), into new namespaces.
pid_t fork_into_namespaces() {
  const long pid = syscall(SYS_clone, CLONE_NEWNS | CLONE_NEWPID | SIGCHLD, 0, 0, 0, 0);
  if (pid < 0) throw system_error(errno, "namespaces of mounts and processes");
  return static_cast<pid_t>(pid);
}

}  // namespace

std::optional<int> run_in_private(const std::function<void()>& mount, const TreeCommand& command) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) throw system_error(errno, "pipe");
  const FileDescriptor read_end(ends[0]);
  FileDescriptor write_end(ends[1]);
  const TerminalSignalsIgnored ignored;
  const TerminalTakenBack terminal;
  const pid_t child = fork_into_namespaces();
  if (child == 0) {
    try {
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      _exit(run_as_first(mount, command, ignored, write_end.get()));
    } catch (const std::exception& error) {
      write_line({error.what()});
    }
    _exit(1);
  }
  { const FileDescriptor closed = std::move(write_end); }
  char byte;
  const bool started = read(read_end.get(), &byte, 1) == 1;
  const int status = wait_for(child);
  if (!started) return std::nullopt;
  return status;
}

}  // namespace cim::working
