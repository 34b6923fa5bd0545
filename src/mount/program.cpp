// Runs programs with posix_spawn(3).
#include "mount/program.h"

#include <algorithm>
#include <cerrno>
#include <csignal>

#include <cim/error.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image/file_descriptor.h"

namespace cim {
namespace {

// What posix_spawn(3) does in the child.
class SpawnSetup {
 public:
  explicit SpawnSetup(int stderr_fd) {
    posix_spawn_file_actions_init(&actions_);
    posix_spawn_file_actions_adddup2(&actions_, stderr_fd, STDERR_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&actions_, STDERR_FILENO + 1);
    posix_spawnattr_init(&attributes_);
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes_, &signals);
    sigfillset(&signals);
    posix_spawnattr_setsigdefault(&attributes_, &signals);
    posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
  ~SpawnSetup() {
    posix_spawnattr_destroy(&attributes_);
    posix_spawn_file_actions_destroy(&actions_);
  }

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_;
  posix_spawnattr_t attributes_;
};

// Whether this process has privileges that its caller lacks, and could use through what it runs.
bool is_privileged() { return getauxval(AT_SECURE) != 0; }

// The environment of the programs that a privileged process runs.
char trusted_path[] = "PATH=/usr/sbin:/usr/bin:/sbin:/bin";
char* trusted_environment[] = {trusted_path, nullptr};

// The path at which a privileged process finds the program `name`; nothing if there is none.
std::optional<std::string> find_trusted(const std::string& name) {
  if (name.find('/') != std::string::npos) return name;
  for (const char* directory : {CIMFS_BINDIR, "/usr/sbin", "/usr/bin", "/sbin", "/bin"}) {
    std::string path = std::string(directory) + "/" + name;
    if (faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0) return path;
  }
  return std::nullopt;
}

// Nothing if there is no such program.
std::optional<pid_t> spawn(std::vector<std::string> arguments, int stderr_fd) {
  const std::optional<std::string> program =
      is_privileged() ? find_trusted(arguments.front()) : arguments.front();
  if (!program) return std::nullopt;
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const SpawnSetup setup(stderr_fd);
  pid_t pid = -1;
  const int error = posix_spawnp(&pid, program->c_str(), setup.actions(), setup.attributes(),
                                 argv.data(), is_privileged() ? trusted_environment : environ);
  if (error == ENOENT) return std::nullopt;
  if (error != 0) throw system_error(error, argv[0]);
  return pid;
}

std::string read_to_end(int fd) {
  std::string text;
  char buffer[512];
  while (true) {
    const ssize_t size = ::read(fd, buffer, sizeof(buffer));
    if (size < 0 && errno == EINTR) continue;
    if (size <= 0) return text;
    text.append(buffer, static_cast<std::size_t>(size));
  }
}

std::optional<int> wait_for_exit(pid_t pid, const std::string& program) {
  int status = 0;
  while (waitpid(pid, &status, 0) < 0) {
    if (errno == ECHILD) return std::nullopt;
    if (errno != EINTR) throw system_error(errno, program);
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

std::string on_one_line(std::string text, const std::string& program) {
  if (text.starts_with(program + ": ")) text.erase(0, program.size() + 2);
  while (!text.empty() && text.back() == '\n') text.pop_back();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return text;
}

std::string base_name(const std::string& path) {
  return path.substr(path.rfind('/') + 1);  // npos + 1 is 0
}

}  // namespace

std::optional<ProgramResult> run_program(const std::vector<std::string>& arguments) {
  int pipe_ends[2];
  if (pipe2(pipe_ends, O_CLOEXEC) != 0) throw system_error(errno, "pipe");
  const FileDescriptor read_end(pipe_ends[0]);
  FileDescriptor write_end(pipe_ends[1]);

  const std::optional<pid_t> pid = spawn(arguments, write_end.get());
  if (!pid) return std::nullopt;
  // The pipe ends only when no writer is left, and we are one.
  { const FileDescriptor closed = std::move(write_end); }

  const std::string program = base_name(arguments.front());
  std::string text = read_to_end(read_end.get());
  const std::optional<int> exit_status = wait_for_exit(*pid, program);
  return ProgramResult{exit_status, on_one_line(std::move(text), program)};
}

}  // namespace cim
