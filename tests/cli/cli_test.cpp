// Runs the cim command and keeps its output.
#include "cli_test.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include <boost/filesystem.hpp>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "image/file_descriptor.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;

constexpr uid_t nobody = 65534;

// For one command, so that none goes on for ever: seconds of processor time, which other programs
// do not take.
constexpr rlimit processor_time = {.rlim_cur = 100, .rlim_max = 100};

// An unnamed file that collects the output of a program.
FileDescriptor output_file() {
  FileDescriptor fd(open("/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd) throw std::runtime_error("no temporary file");
  return fd;
}

std::string contents(const FileDescriptor& fd) {
  std::string text(static_cast<std::size_t>(lseek(fd.get(), 0, SEEK_END)), '\0');
  text.resize(
      static_cast<std::size_t>(std::max<ssize_t>(pread(fd.get(), text.data(), text.size(), 0), 0)));
  return text;
}

Result run(const std::vector<std::string>& arguments, const std::string& directory,
           std::optional<uid_t> user) {
  const char* program_path = std::getenv("CIM");
  if (program_path == nullptr) throw std::runtime_error("CIM does not name the program");
  // Opened here, since another user may not be able to reach the program.
  const FileDescriptor program(open(program_path, O_PATH | O_CLOEXEC));
  const FileDescriptor out = output_file();
  const FileDescriptor err = output_file();
  std::vector<std::string> strings = {"cim"};
  strings.insert(strings.end(), arguments.begin(), arguments.end());
  std::vector<char*> argv;
  for (std::string& argument : strings) argv.push_back(argument.data());
  argv.push_back(nullptr);

  const pid_t child = fork();
  if (child == 0) {
    dup2(out.get(), STDOUT_FILENO);
    dup2(err.get(), STDERR_FILENO);
    if (chdir(directory.c_str()) != 0) _exit(126);
    setrlimit(RLIMIT_CPU, &processor_time);
    if (user && (setgid(*user) != 0 || setuid(*user) != 0)) _exit(126);
    fexecve(program.get(), argv.data(), environ);
    _exit(127);
  }
  int status = 0;
  if (waitpid(child, &status, 0) != child) throw std::runtime_error("waitpid");
  return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, contents(out), contents(err)};
}

// Also if nobody serves it any more.
bool is_mount(const std::string& directory) {
  struct stat status;
  struct stat above;
  if (stat(directory.c_str(), &status) != 0) return errno != ENOENT;
  return stat((directory + "/..").c_str(), &above) == 0 && status.st_dev != above.st_dev;
}

}  // namespace

// Lets other users access the test's files, see cim_as_nobody().
CliTest::CliTest() { fs::permissions(directory(), fs::perms(0777)); }

CliTest::~CliTest() {
  if (is_mount(path("mnt"))) cim({"umount", "--lazy", "mnt"});
}

bool CliTest::can_mount() { return access("/dev/fuse", R_OK | W_OK) == 0; }

Result CliTest::cim(const std::vector<std::string>& arguments) const {
  return run(arguments, directory(), std::nullopt);
}

Result CliTest::cim_as_nobody(const std::vector<std::string>& arguments) const {
  return run(arguments, directory(), geteuid() == 0 ? std::optional(nobody) : std::nullopt);
}

std::string CliTest::succeed(const std::vector<std::string>& arguments) const {
  const Result result = cim(arguments);
  EXPECT_EQ(result.status, 0) << testing::PrintToString(arguments) << ": " << result.out;
  EXPECT_EQ(result.err, "");
  return result.out;
}

std::string CliTest::fail(const std::vector<std::string>& arguments) const {
  const Result result = cim(arguments);
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  return result.err.substr(0, result.err.find('\n'));
}

void CliTest::write(const std::string& name, const std::string& content) const {
  fs::create_directories(fs::path(path(name)).parent_path());
  std::ofstream file(path(name), std::ios::binary);
  file.exceptions(std::ios::failbit | std::ios::badbit);
  file << content;
}

std::string CliTest::read(const std::string& name) const {
  std::ifstream file(path(name), std::ios::binary);
  if (!file) return "(none)";
  return {std::istreambuf_iterator<char>(file), {}};
}

void CliTest::create_sample() const {
  write("src/small", "x");
  write("src/large", std::string(100000, 'x'));
  succeed({"create", "app.cim", "src"});
}

std::string CliTest::region(const std::string& type, const std::string& image) const {
  const auto info = nlohmann::json::parse(succeed({"info", "--json", image}));
  for (const auto& entry : info["region_sets"][0]["regions"]) {
    if (entry["type"] == type) return path(entry["path"]);
  }
  return "(none)";
}

std::set<std::string> CliTest::files() const {
  std::set<std::string> names;
  for (const auto& entry : fs::directory_iterator(directory())) {
    if (!fs::is_directory(entry.symlink_status())) names.insert(entry.path().filename().string());
  }
  return names;
}

std::string CliTest::all_contents() const {
  std::string contents;
  for (const std::string& name : files()) contents += name + "\n" + read(name);
  return contents;
}

}  // namespace cim::cli
