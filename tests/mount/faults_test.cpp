// Mounts with a damaged image, a killed daemon, or a heavy load.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <fstream>
#include <functional>
#include <future>
#include <thread>

#include <cim/image.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "fixture.h"
#include "image/file_descriptor.h"
#include "mount/mount.h"
#include "support/failing_disk.h"
#include "support/image_content.h"
#include "support/preload.h"

namespace cim::test {
namespace {

namespace fs = boost::filesystem;
using namespace std::chrono_literals;

constexpr int file_count = 3000;
constexpr std::size_t large_size = 4 << 20;

std::string name_of(int file) { return fmt::format("file{:04}", file); }
std::string content_of(int file) { return fmt::format("content of {}\n", file); }

// Fills an image with small files in `d` and one that takes several spliced answers.
void fill(Writer& writer) {
  writer.create_directory(u"d", {});
  for (int i = 0; i < file_count; ++i) {
    put(writer, linux_to_image_name("d") + u"\\" + linux_to_image_name(name_of(i)), content_of(i));
  }
  put(writer, u"large", random_content(large_size));
}

// The errno of reading the file at `path` to its end; 0 for success.
int error_of_reading(const std::string& path) {
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return errno;
  std::vector<char> buffer(1 << 20);
  ssize_t size = 0;
  do {
    size = read(file.get(), buffer.data(), buffer.size());
  } while (size > 0);
  return size < 0 ? errno : 0;
}

class FaultsTest : public MountTest {
 protected:
  void SetUp() override {
    MountTest::SetUp();
    if (IsSkipped()) return;
    Writer writer(fresh());
    fill(writer);
    writer.commit();
  }

  // The region files of the given type.
  std::vector<std::string> regions(RegionType type) const {
    return region_paths(image_path(), type);
  }

  // Cuts off the region files of the given type after their first page.
  void truncate(RegionType type) const {
    for (const std::string& path : regions(type)) fs::resize_file(path, 4096);
  }

  static std::string file_in(const std::string& mount_point, int file) {
    return mount_point + "/d/" + name_of(file);
  }

  // Reads some of the small files on the mount, and the large one.
  static void expect_served(const std::string& mount_point) {
    for (int i = 0; i < file_count; i += 100) {
      EXPECT_EQ(content_of(i), read_file(file_in(mount_point, i)));
    }
    EXPECT_TRUE(read_file(mount_point + "/large") == random_content(large_size));
  }
};

// What this process, and those that it starts, write to standard error.
class CapturedErrors {
 public:
  explicit CapturedErrors(const std::string& path) : path_(path), before_(dup(STDERR_FILENO)) {
    const FileDescriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0600));
    dup2(file.get(), STDERR_FILENO);
  }
  CapturedErrors(const CapturedErrors&) = delete;
  CapturedErrors& operator=(const CapturedErrors&) = delete;
  ~CapturedErrors() { dup2(before_.get(), STDERR_FILENO); }

  std::vector<std::string> lines() const {
    std::ifstream file(path_);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
  }

 private:
  std::string path_;
  FileDescriptor before_;
};

// Whether `action` ends within some seconds. If not, `otherwise` must make it end.
bool ends(const std::function<void()>& action, const std::function<void()>& otherwise) {
  std::future<void> future = std::async(std::launch::async, action);
  const bool in_time = future.wait_for(10s) == std::future_status::ready;
  if (!in_time) otherwise();
  future.wait();
  return in_time;
}

// The image is on a mount whose daemon is stopped, like a disk that does not answer for a while.
// Only those who need it wait.
TEST_F(FaultsTest, ADiskThatDoesNotAnswerHoldsUpNobodyElse) {
  Writer writer(fresh("disk.cim"));
  for (const auto& entry : fs::directory_iterator(fs::path(image_path()).parent_path())) {
    if (entry.path().filename().string().starts_with("disk")) continue;
    put(writer, linux_to_image_path(entry.path().filename().string()),
        read_file(entry.path().string()));
  }
  writer.commit();
  const std::string disk_directory = make_directory("disk");
  ForegroundDaemon disk(image_path("disk.cim"), disk_directory);
  const std::string mount_point = make_directory();
  ForegroundDaemon daemon(disk_directory + "/a.cim", mount_point, {"-o", "prefetch=0"});
  const auto missing = [&](int number) {
    return mount_point + "/d/missing" + std::to_string(number);
  };
  for (int i = 0; i < file_count; ++i) status_of(file_in(mount_point, i));  // all of the metadata

  // Reading the first file also reads its neighbours, which are then dropped.
  EXPECT_EQ(content_of(0), read_file(file_in(mount_point, 0)));
  for (const RegionType type : {RegionType::data, RegionType::small_data}) {
    for (const std::string& path : region_paths(disk_directory + "/a.cim", type)) drop_cached(path);
  }
  disk.signal(SIGSTOP);
  siginfo_t stopped;
  ASSERT_EQ(0, waitid(P_PID, disk.pid(), &stopped, WSTOPPED));
  std::future<std::string> reads[] = {
      std::async(std::launch::async, [&] { return read_file(file_in(mount_point, 7)); }),
      std::async(std::launch::async, [&] { return read_file(mount_point + "/large"); })};
  EXPECT_TRUE(wait_until([&] { return threads_that_wait_for_a_disk(daemon.pid()) >= 2; }));
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(ends([&] { EXPECT_FALSE(fs::exists(missing(i))); }, [&] { disk.signal(SIGCONT); }));
    if (HasFailure()) break;
  }
  for (const auto& read : reads) EXPECT_EQ(std::future_status::timeout, read.wait_for(0s));
  disk.signal(SIGCONT);
  EXPECT_EQ(content_of(7), reads[0].get());
  EXPECT_TRUE(reads[1].get() == random_content(large_size));
}

TEST_F(FaultsTest, LostMetadataIsAnErrorThatIsLoggedOnce) {
  const std::string metadata = regions(RegionType::metadata).at(0);
  const std::string mount_point = make_directory();
  const CapturedErrors log(image_path("log"));
  ForegroundDaemon daemon(image_path(), mount_point);
  EXPECT_EQ(content_of(0), read_file(file_in(mount_point, 0)));
  truncate(RegionType::metadata);
  for (int i = 1; i < 200; ++i) {
    EXPECT_EQ(EIO, error_of_reading(file_in(mount_point, i)));
  }
  EXPECT_THAT(log.lines(), testing::ElementsAre(testing::HasSubstr(metadata)));
  daemon.signal(SIGTERM);
  EXPECT_EQ(0, daemon.wait());
}

TEST_F(FaultsTest, AMessageThatCannotBeWrittenIsNoLossToAnyReader) {
  truncate(RegionType::data);
  const std::string pipe = image_path("pipe");
  ASSERT_EQ(0, mkfifo(pipe.c_str(), 0600));
  for (const std::string& place : {std::string("/dev/full"), pipe}) {
    FileDescriptor reader(open(place.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
    const CapturedErrors log(place);
    reader = FileDescriptor();
    const std::string mount_point = make_directory(fs::path(place).filename().string());
    ForegroundDaemon daemon(image_path(), mount_point);
    EXPECT_EQ(EIO, error_of_reading(mount_point + "/large"));
    EXPECT_EQ(content_of(0), read_file(file_in(mount_point, 0)));
    daemon.signal(SIGTERM);
    EXPECT_EQ(0, daemon.wait());
  }
}

TEST_F(FaultsTest, MetadataThatComesBackIsServedAgain) {
  const std::string metadata = regions(RegionType::metadata).at(0);
  const std::string copy = image_path("copy");
  fs::copy_file(metadata, copy);
  const std::string mount_point = mount();
  truncate(RegionType::metadata);
  EXPECT_EQ(EIO, error_of_reading(file_in(mount_point, 1)));
  std::fstream(metadata, std::ios::in | std::ios::out | std::ios::binary)
      << std::ifstream(copy, std::ios::binary).rdbuf();
  expect_served(mount_point);
}

// Half of the readers keep reading what is lost; the others must not notice.
TEST_F(FaultsTest, FaultsDisturbNobodyElse) {
  const std::string metadata = regions(RegionType::metadata).at(0);
  const std::string mount_point = mount();
  // Only the names and records at the start are left. What the kernel already knows it would not
  // ask for.
  std::atomic<int> lost = 0;
  std::atomic<int> wrong = 0;
  fs::resize_file(metadata, fs::file_size(metadata) / 2);
  std::vector<std::jthread> readers;
  for (int thread = 0; thread < 16; ++thread) {
    readers.emplace_back([&, thread] {
      for (int i = thread; i < file_count; i += 16) {
        struct stat status = {};
        if (stat(file_in(mount_point, i).c_str(), &status) == 0) {
          wrong += static_cast<std::size_t>(status.st_size) != content_of(i).size();
        } else {
          wrong += errno != EIO;
          ++lost;
        }
      }
    });
  }
  readers.clear();
  EXPECT_EQ(0, wrong);
  EXPECT_GT(lost, 0);
}

TEST_F(FaultsTest, LostDataIsAnErrorToItsReadersOnly) {
  const std::string mount_point = mount();
  truncate(RegionType::data);
  EXPECT_EQ(EIO, error_of_reading(mount_point + "/large"));
  EXPECT_EQ(content_of(1), read_file(file_in(mount_point, 1)));
  truncate(RegionType::small_data);
  EXPECT_EQ(EIO, error_of_reading(file_in(mount_point, file_count - 1)));
  EXPECT_EQ(file_count, static_cast<int>(list_directory(mount_point + "/d").size()));
}

TEST_F(FaultsTest, WhatBecomesOfTheNamesOfFilesDoesNotMatter) {
  const std::string mount_point = mount();
  std::vector<std::string> all;
  for (const RegionType type : {RegionType::metadata, RegionType::data, RegionType::small_data}) {
    for (const std::string& path : regions(type)) all.push_back(path);
  }
  for (const std::string& path : all) ASSERT_EQ(0, chmod(path.c_str(), 0));
  expect_served(mount_point);
}

TEST_F(FaultsTest, ReplacedFilesAreServedAsTheyWere) {
  const std::string mount_point = mount();
  std::vector<std::string> all;
  for (const RegionType type : {RegionType::metadata, RegionType::data, RegionType::small_data}) {
    for (const std::string& path : regions(type)) all.push_back(path);
  }
  for (const std::string& path : all) {
    fs::remove(path);
    std::ofstream(path) << std::string(100000, 'x');
  }
  expect_served(mount_point);
}

// A file system on a disk from which nothing can be read any more.
TEST_F(FaultsTest, AFailingDiskIsAnError) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make a file system on a loop device";
  const std::string on_disk = make_directory("disk");
  const FailingDisk disk(image_path("disk"), on_disk);
  if (!disk.mounted()) GTEST_SKIP() << "no loop device";
  {
    Writer writer({.directory = on_disk, .existing = {}, .name = "a.cim"});
    fill(writer);
    writer.commit();
  }
  const std::string mount_point = make_directory();
  ForegroundDaemon daemon(on_disk + "/a.cim", mount_point);
  EXPECT_EQ(content_of(0), read_file(file_in(mount_point, 0)));
  std::vector<std::string> files;
  for (const auto& file : fs::directory_iterator(on_disk)) files.push_back(file.path().string());
  ASSERT_TRUE(disk.fail(files));
  EXPECT_EQ(EIO, error_of_reading(mount_point + "/large"));
  int lost = 0;
  for (int i = 1; i < file_count; ++i) {
    const int error = error_of_reading(file_in(mount_point, i));
    EXPECT_TRUE(error == 0 || error == EIO) << error;
    lost += error == EIO;
  }
  EXPECT_GT(lost, 0);
  daemon.signal(SIGTERM);
  EXPECT_EQ(0, daemon.wait());
}

TEST_F(FaultsTest, TenThousandFilesAreOpenAtOnce) {
  constexpr rlim_t count = 10000;
  rlimit before;
  ASSERT_EQ(0, getrlimit(RLIMIT_NOFILE, &before));
  const rlimit wanted = {.rlim_cur = count + 100,
                         .rlim_max = std::max(count + 100, before.rlim_max)};
  if (setrlimit(RLIMIT_NOFILE, &wanted) != 0) GTEST_SKIP() << "not so many descriptors allowed";
  const std::string mount_point = mount();
  std::vector<FileDescriptor> files;
  for (rlim_t i = 0; i < count; ++i) {
    const std::string path = file_in(mount_point, static_cast<int>(i % file_count));
    files.emplace_back(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(files.back()) << i;
  }
  for (rlim_t i = 0; i < count; i += 100) {
    const std::string expected = content_of(static_cast<int>(i % file_count));
    std::string content(expected.size(), '\0');
    EXPECT_EQ(static_cast<ssize_t>(expected.size()),
              pread(files[i].get(), content.data(), content.size(), 0));
    EXPECT_EQ(expected, content);
  }
  files.clear();
  setrlimit(RLIMIT_NOFILE, &before);
}

TEST_F(FaultsTest, SixtyFourReadersReadAtOnce) {
  const std::string mount_point = mount();
  const std::string large = random_content(large_size);
  std::atomic<int> wrong = 0;
  std::vector<std::jthread> readers;
  for (int reader = 0; reader < 64; ++reader) {
    readers.emplace_back([&, reader] {
      wrong += read_file(mount_point + "/large") != large;
      for (int i = reader; i < file_count; i += 16) {
        wrong += read_file(file_in(mount_point, i)) != content_of(i);
      }
    });
  }
  readers.clear();
  EXPECT_EQ(0, wrong);
}

TEST_F(FaultsTest, ALazyUnmountLeavesOpenFilesReadableAndThenEndsTheDaemon) {
  const std::string mount_point = make_directory();
  ForegroundDaemon daemon(image_path(), mount_point);
  std::ifstream file(file_in(mount_point, 1));
  ASSERT_TRUE(file);
  ASSERT_EQ(0, run_program({"umount", "-l", mount_point})->exit_status);
  EXPECT_FALSE(is_mounted(mount_point));
  std::string line;
  std::getline(file, line);
  EXPECT_EQ(content_of(1), line + "\n");
  file.close();
  EXPECT_EQ(0, daemon.wait());
}

TEST_F(FaultsTest, AKilledDaemonLeavesAMountPointThatCanBeUsedAgain) {
  const std::string mount_point = make_directory();
  {
    ForegroundDaemon daemon(image_path(), mount_point);
    EXPECT_EQ(content_of(1), read_file(file_in(mount_point, 1)));
    daemon.signal(SIGKILL);
    EXPECT_EQ(128 + SIGKILL, daemon.wait());
  }
  // ECONNABORTED: the kernel took the request before it saw the end of the connection.
  EXPECT_THAT(error_of_reading(file_in(mount_point, 2)), testing::AnyOf(ENOTCONN, ECONNABORTED));
  unmount_image(mount_point);
  mount_image(image_path(), mount_point, {});
  expect_served(mount_point);
}

TEST_F(FaultsTest, ADaemonThatFailsOnItsWayToTheBackgroundSaysSoAndLeavesNoMount) {
  if (!CIMFS_SANDBOX) GTEST_SKIP() << "sanitizers must be loaded first";
  const std::string mount_point = make_directory();
  struct Case {
    const char* struck_call;
    const char* message;
    int status;
  };
  for (const Case& expected : {Case{"setsid", "ended before it was ready: Killed", 1},
                               Case{"prctl", "sandbox: Operation not permitted", EX_NOPERM}}) {
    SCOPED_TRACE(expected.struck_call);
    const test::Preload preload(std::getenv("STRUCK_START_MODULE"));
    const test::Environment struck("STRUCK_START", expected.struck_call);
    for (const std::string program : {"cimfs", "mount.cimfs"}) {
      const ProgramResult result = run_daemon({image_path(), mount_point}, program);
      EXPECT_EQ(program == "cimfs" ? expected.status : 32, result.exit_status);
      EXPECT_THAT(result.message, testing::HasSubstr(expected.message));
      EXPECT_FALSE(is_mounted(mount_point));
    }
  }
  mount_image(image_path(), mount_point, {});
  expect_served(mount_point);
}

TEST_F(FaultsTest, TheDaemonOutlivesItsTerminal) {
  const std::string mount_point = make_directory();
  int terminal = -1;
  const pid_t child = forkpty(&terminal, nullptr, nullptr, nullptr);
  if (child == 0) {
    execl((daemon_directory() + "/cimfs").c_str(), "cimfs", image_path().c_str(),
          mount_point.c_str(), nullptr);
    _exit(127);
  }
  int status = -1;
  ASSERT_EQ(child, waitpid(child, &status, 0));
  EXPECT_EQ(0, status);
  close(terminal);
  expect_served(mount_point);
}

// A group of processes with a limit on their memory.
class MemoryLimit {
 public:
  MemoryLimit() {
    for (const auto& [parent, limit] : {std::pair{"/sys/fs/cgroup/memory", "memory.limit_in_bytes"},
                                        std::pair{"/sys/fs/cgroup", "memory.max"}}) {
      const fs::path group = fs::path(parent) / fs::unique_path("cimfs-test-%%%%-%%%%");
      boost::system::error_code error;
      if (!fs::exists(fs::path(parent) / "cgroup.procs")) continue;
      if (!fs::create_directory(group, error) || error) continue;
      group_ = group;
      limit_ = group / limit;
      if (fs::exists(limit_)) return;
    }
  }
  MemoryLimit(const MemoryLimit&) = delete;
  MemoryLimit& operator=(const MemoryLimit&) = delete;
  ~MemoryLimit() {
    if (!group_.empty()) rmdir(group_.c_str());
  }

  bool apply(pid_t process, std::size_t bytes) const {
    if (group_.empty() || !fs::exists(limit_)) return false;
    std::ofstream(limit_.string()) << bytes << std::flush;
    std::ofstream processes((group_ / "cgroup.procs").string());
    processes << process << std::flush;
    return static_cast<bool>(processes);
  }

 private:
  fs::path group_;
  fs::path limit_;
};

TEST_F(FaultsTest, ServesWithHardlyAnyMemory) {
  if (!CIMFS_SANDBOX) GTEST_SKIP() << "a sanitizer needs more";
  // Meson has malloc fill what it returns, so the buffers of 1 MiB of all threads would count.
  unsetenv("MALLOC_PERTURB_");
  const std::string mount_point = make_directory();
  const MemoryLimit limit;
  ForegroundDaemon daemon(image_path(), mount_point);
  if (!limit.apply(daemon.pid(), 8 << 20)) GTEST_SKIP() << "no memory control group can be made";
  for (const RegionType type : {RegionType::metadata, RegionType::data, RegionType::small_data}) {
    for (const std::string& path : regions(type)) drop_cached(path);
  }
  for (int i = 0; i < file_count; ++i) {
    ASSERT_EQ(content_of(i), read_file(file_in(mount_point, i)));
  }
  expect_served(mount_point);
  daemon.signal(SIGTERM);
  EXPECT_EQ(0, daemon.wait());
}

// Each fork has three region files; most of them can only be mapped.
TEST_F(FaultsTest, ServesMoreRegionFilesThanItMayHaveDescriptors) {
  constexpr int forks = 40;
  const auto content = [](int fork) { return fmt::format("{:020000}", fork); };
  std::string last = "a.cim";
  for (int i = 0; i < forks; ++i) {
    const std::string from = std::exchange(last, fmt::format("{}.cim", i));
    Writer writer(forking(from, last));
    put(writer, linux_to_image_name("small" + std::to_string(i)), content_of(i));
    put(writer, linux_to_image_name("large" + std::to_string(i)), content(i));
    writer.commit();
  }
  const std::string mount_point = make_directory();
  const ProgramResult mounted =
      run_program({"prlimit", "--nofile=64:64", daemon_directory() + "/cimfs", image_path(last),
                   mount_point})
          .value();
  ASSERT_EQ(0, mounted.exit_status) << mounted.message;
  const auto expect_fork = [&](int i) {
    EXPECT_EQ(content_of(i), read_file(mount_point + "/small" + std::to_string(i)));
    EXPECT_TRUE(content(i) == read_file(mount_point + "/large" + std::to_string(i))) << i;
  };
  expect_served(mount_point);
  for (int i = 1; i < forks; ++i) expect_fork(i);
  const std::string lost = region_paths(image_path("0.cim"), RegionType::data).back();
  const std::string copy = image_path("copy");
  fs::copy_file(lost, copy);
  fs::resize_file(lost, 0);
  EXPECT_EQ(EIO, error_of_reading(mount_point + "/large0"));
  std::fstream(lost, std::ios::in | std::ios::out | std::ios::binary)
      << std::ifstream(copy, std::ios::binary).rdbuf();
  expect_fork(0);
}

}  // namespace
}  // namespace cim::test
