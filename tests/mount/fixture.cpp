// See fixture.h.
#include "fixture.h"

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>
#include <stdexcept>
#include <thread>

#include <cim/image.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "image/file_descriptor.h"
#include "image/mapping.h"
#include "mount/mount.h"
#include "posix/linux_metadata.h"
#include "support/image_content.h"

namespace cim::test {
namespace {

struct Thread {
  std::string id;
  char state = '?';                   // S: sleeps, D: waits for a disk, see proc_pid_status(5)
  std::vector<std::string> switches;  // how often it has slept, and been preempted

  bool operator==(const Thread&) const = default;
};

Thread thread_at(const boost::filesystem::path& directory) {
  Thread thread = {.id = directory.filename().string()};
  std::ifstream status((directory / "status").string());
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("State:")) thread.state = line[line.find('\t') + 1];
    if (line.find("ctxt_switches") != std::string::npos) thread.switches.push_back(line);
  }
  return thread;
}

// Except the caller's.
std::vector<Thread> threads_of(pid_t process) {
  const std::string caller = std::to_string(gettid());
  std::vector<Thread> threads;
  boost::system::error_code ended;
  const std::string tasks = "/proc/" + std::to_string(process) + "/task";
  for (const auto& entry : boost::filesystem::directory_iterator(tasks, ended)) {
    if (entry.path().filename() != caller) threads.push_back(thread_at(entry.path()));
  }
  return threads;
}

std::ptrdiff_t count_in_state(const std::vector<Thread>& threads, char state) {
  return std::count_if(threads.begin(), threads.end(),
                       [=](const Thread& thread) { return thread.state == state; });
}

// The daemon of the build directory, set in meson.build.
std::string daemon_path() {
  const char* path = std::getenv("CIMFS_DAEMON");
  if (path == nullptr) throw std::runtime_error("$CIMFS_DAEMON is not set: run by meson test");
  return path;
}

void detach(const std::string& mount_point) {
  if (umount2(mount_point.c_str(), MNT_DETACH) == 0) return;
  run_program({"fusermount3", "-u", "-z", "--", mount_point});
}

}  // namespace

MountTest::~MountTest() {
  for (const MountedImage& mount : mounted_images()) {
    if (mount.mount_point.starts_with(mount_points_.string() + "/")) detach(mount.mount_point);
  }
}

void MountTest::SetUp() {
  const int fd = ::open("/dev/fuse", O_RDWR | O_CLOEXEC);
  if (fd < 0) GTEST_SKIP() << "/dev/fuse: " << std::strerror(errno);
  ::close(fd);
  for (const char* name : {"cimfs", "mount.cimfs"}) {
    boost::filesystem::create_symlink(daemon_path(), programs_ / name);
  }
}

Writer::Options MountTest::fresh(const std::string& name) const {
  return {.directory = images_.string(), .existing = {}, .name = name};
}

Writer::Options MountTest::extending(const std::string& name) const {
  return {.directory = images_.string(), .existing = name, .name = {}};
}

Writer::Options MountTest::forking(const std::string& from, const std::string& to) const {
  return {.directory = images_.string(), .existing = from, .name = to};
}

std::string MountTest::make_directory(const std::string& name) const {
  const std::string path = mount_points_ / name;
  boost::filesystem::create_directory(path);
  return path;
}

std::string MountTest::mount(const std::string& name, const std::vector<std::string>& options) {
  const std::string mount_point = make_directory("mount-of-" + name);
  mount_image(image_path(name), mount_point, options);
  return mount_point;
}

ProgramResult MountTest::run_daemon(const std::vector<std::string>& arguments,
                                    const std::string& program) const {
  std::vector<std::string> command = {programs_ / program};
  command.insert(command.end(), arguments.begin(), arguments.end());
  return run_program(command).value();
}

ForegroundDaemon::ForegroundDaemon(const std::string& image, const std::string& mount_point,
                                   const std::vector<std::string>& options, bool may_fail) {
  std::vector<std::string> arguments = {daemon_path(), "-f", image, mount_point};
  arguments.insert(arguments.end(), options.begin(), options.end());
  std::vector<char*> argv;
  for (std::string& argument : arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const int error = posix_spawn(&pid_, argv[0], nullptr, nullptr, argv.data(), environ);
  if (error != 0) throw system_error(error, arguments[0]);
  EXPECT_TRUE(wait_until([&] { return is_mounted(mount_point) || (may_fail && has_ended()); }))
      << mount_point;
}

ForegroundDaemon::~ForegroundDaemon() {
  if (pid_ < 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void ForegroundDaemon::signal(int number) const { EXPECT_EQ(0, kill(pid_, number)); }

bool ForegroundDaemon::has_ended() const {
  siginfo_t info = {};
  EXPECT_EQ(0, waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT));
  return info.si_pid == pid_;
}

int ForegroundDaemon::wait() {
  int status = 0;
  if (!wait_until([&] { return waitpid(pid_, &status, WNOHANG) == pid_; })) return -1;
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

bool wait_until(const std::function<bool()>& done) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::minutes(10);
  while (!done()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

bool wait_until_idle(pid_t process) {
  return wait_until([=] {
    const std::vector<Thread> threads = threads_of(process);
    return !threads.empty() && count_in_state(threads, 'S') == std::ssize(threads) &&
           threads_of(process) == threads;
  });
}

std::ptrdiff_t threads_that_wait_for_a_disk(pid_t process) {
  return count_in_state(threads_of(process), 'D');
}

bool is_mounted(const std::string& mount_point) {
  const std::vector<MountedImage> mounts = mounted_images();
  return std::any_of(mounts.begin(), mounts.end(),
                     [&](const MountedImage& mount) { return mount.mount_point == mount_point; });
}

std::string read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  EXPECT_TRUE(file) << path;
  std::string content{std::istreambuf_iterator<char>(file), {}};
  EXPECT_FALSE(file.bad()) << path;
  return content;
}

std::size_t cached_bytes(const std::string& path, std::size_t limit) {
  constexpr std::size_t page_size = 4096;
  const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  const Mapping file(fd.get(), limit, path);
  std::vector<unsigned char> states((limit + page_size - 1) / page_size);
  EXPECT_EQ(mincore(const_cast<std::byte*>(file.bytes().data()), limit, states.data()), 0);
  const auto cached = [](unsigned char state) { return (state & 1) != 0; };
  return page_size * std::count_if(states.begin(), states.end(), cached);
}

bool is_cached(const std::string& path) { return cached_bytes(path, 1) != 0; }

void drop_cached(const std::string& path) {
  const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED), 0) << path;
}

std::vector<std::string> region_paths(const std::string& image, RegionType type) {
  std::vector<std::string> paths;
  for (const RegionSetInfo& set : Image(image).region_sets()) {
    for (const RegionInfo& region : set.regions) {
      if (region.type == type) paths.push_back(region.path);
    }
  }
  return paths;
}

struct stat status_of(const std::string& path) {
  struct stat status = {};
  EXPECT_EQ(0, lstat(path.c_str(), &status)) << path << ": " << std::strerror(errno);
  return status;
}

std::vector<std::string> list_directory(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& entry : boost::filesystem::directory_iterator(path)) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string xattr(const std::string& path, const char* name) {
  char value[256];
  const ssize_t size = lgetxattr(path.c_str(), name, value, sizeof(value));
  return size < 0 ? "(none)" : std::string(value, static_cast<std::size_t>(size));
}

std::vector<std::string> xattr_names(const std::string& path) {
  char list[1024];
  const ssize_t size = llistxattr(path.c_str(), list, sizeof(list));
  EXPECT_GE(size, 0) << path;
  std::vector<std::string> names;
  for (const char* name = list; name < list + size; name += names.back().size() + 1) {
    names.emplace_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string random_content(std::size_t size) {
  std::mt19937_64 generator(size);
  std::string content(size, '\0');
  for (char& c : content) c = static_cast<char>(generator());
  return content;
}

void put_linux(Writer& writer, std::u16string_view path, mode_t mode, std::string_view content) {
  posix::LinuxMetadata source;
  source.status.st_mode = mode;
  source.status.st_uid = getuid();
  source.status.st_gid = getgid();
  if (S_ISLNK(mode)) source.symlink_target = content;
  const posix::EncodedMetadata metadata(source);
  if (S_ISDIR(mode)) {
    writer.create_directory(path, metadata.get());
  } else {
    put(writer, path, S_ISREG(mode) ? content : "", metadata.get());
  }
}

}  // namespace cim::test
