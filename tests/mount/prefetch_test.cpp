// Small files are sent to the kernel before they are read, if reads come in order.
#include <algorithm>
#include <fstream>
#include <optional>
#include <thread>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/mount.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "fixture.h"
#include "mount/mount.h"
#include "support/image_content.h"

namespace cim::test {
namespace {

constexpr int file_count = 200;

std::string name_of(int number) { return fmt::format("{:03}", number); }

// Different in length and in bytes for each file.
std::string content_of(int number) { return std::string(100 + number, static_cast<char>(number)); }

class PrefetchTest : public MountTest {
 protected:
  // Mounts `file_count` files and lists them: only files that the kernel knows can be prefetched.
  std::string mount_files(const std::vector<std::string>& options = {}) {
    Writer writer(fresh());
    for (int i = 0; i < file_count; ++i)
      put(writer, linux_to_image_path(name_of(i)), content_of(i));
    writer.commit();
    const std::string directory = make_directory();
    daemon_.emplace(image_path(), directory, options);
    EXPECT_EQ(std::distance(boost::filesystem::directory_iterator(directory), {}), file_count);
    return directory + "/";
  }

  // The files in the page cache, once the daemon has nothing more to send.
  std::vector<int> cached_files(const std::string& directory) const {
    EXPECT_TRUE(wait_until_idle(daemon_->pid()));
    std::vector<int> cached;
    for (int i = 0; i < file_count; ++i) {
      if (is_cached(directory + name_of(i))) cached.push_back(i);
    }
    return cached;
  }

 private:
  std::optional<ForegroundDaemon> daemon_;
};

TEST_F(PrefetchTest, FilesReadInOrderAreThereBeforeTheyAreRead) {
  const std::string directory = mount_files();
  int next = 0;
  for (const int sent : {4, 8, 16, 32}) {  // twice as many each time
    while (is_cached(directory + name_of(next))) ++next;
    EXPECT_EQ(read_file(directory + name_of(next)), content_of(next));
    EXPECT_TRUE(wait_until([&] { return is_cached(directory + name_of(next + sent)); })) << next;
    ++next;
  }
}

constexpr int directory_count = 50;

std::string path_in(const std::string& root, int directory, int file) {
  return root + name_of(directory) + "/" + name_of(file);
}

void put_directories(Writer& writer) {
  for (int i = 0; i < directory_count; ++i) {
    writer.create_directory(linux_to_image_path(name_of(i)), {});
    for (int j = 0; j < 2; ++j) {
      put(writer, linux_to_image_path(path_in("", i, j)), content_of(2 * i + j));
    }
  }
}

std::ptrdiff_t list(const std::string& path) {
  return std::distance(boost::filesystem::directory_iterator(path), {});
}

TEST_F(PrefetchTest, SmallDirectoriesAreReadAheadAcross) {
  const std::string root = mount_of(put_directories);
  for (int i = 0; i < directory_count; ++i) ASSERT_EQ(list(root + name_of(i)), 2);
  int next = 0;
  for (const int sent : {4, 8, 16, 32}) {
    const auto path = [&](int file) { return path_in(root, file / 2, file % 2); };
    while (is_cached(path(next))) ++next;
    EXPECT_EQ(read_file(path(next)), content_of(next));
    EXPECT_TRUE(wait_until([&] { return is_cached(path(next + sent)); })) << next;
    ++next;
  }
}

// Files of unlisted directories cannot be sent yet, which must not end prefetching. Now and then a
// read may be ignored, because another thread is noting one.
TEST_F(PrefetchTest, DirectoriesThatAreListedOneByOneAreReadAhead) {
  const std::string root = mount_of(put_directories);
  int sent = 0;
  for (int i = 0; i < directory_count; ++i) {
    ASSERT_EQ(list(root + name_of(i)), 2);
    EXPECT_EQ(read_file(path_in(root, i, 0)), content_of(2 * i));
    sent += wait_until([&] { return is_cached(path_in(root, i, 1)); });
  }
  EXPECT_GE(sent, directory_count - 1);
}

TEST_F(PrefetchTest, WhatWasSentIsWhatTheFileHolds) {
  for (const char* const option : {"prefetch=0", "prefetch=3", "prefetch=1024"}) {
    SCOPED_TRACE(option);
    Writer::Options options = fresh(std::string(option) + ".cim");
    Writer writer(options);
    for (int i = 0; i < file_count; ++i) {
      put(writer, linux_to_image_path(name_of(i)), content_of(i));
    }
    writer.commit();
    const std::string directory = make_directory(option);
    ASSERT_EQ(run_daemon({"-o", option, image_path(*options.name), directory}).exit_status, 0);
    for (int i = 0; i < file_count; ++i) {
      EXPECT_EQ(read_file(directory + "/" + name_of(i)), content_of(i)) << i;
    }
  }
}

TEST_F(PrefetchTest, NothingIsSentIfNoneIsWanted) {
  const std::string directory = mount_files({"-o", "prefetch=0"});
  for (int i = 0; i < 10; ++i) read_file(directory + name_of(i));
  EXPECT_THAT(cached_files(directory), testing::ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8, 9));
}

// So far apart that they are not in order even where the daemon sees two of them swapped.
TEST_F(PrefetchTest, ReadsAgainstTheOrderSendNothing) {
  const std::string directory = mount_files();
  std::vector<int> read;
  for (int i = file_count - 1; i >= 0; i -= 20) {
    read_file(directory + name_of(i));
    read.insert(read.begin(), i);
  }
  EXPECT_EQ(cached_files(directory), read);
}

TEST_F(PrefetchTest, AWalkThatReadsNothingSendsNothing) {
  const std::string directory = mount_files();
  for (int i = 0; i < file_count; ++i) boost::filesystem::file_size(directory + name_of(i));
  EXPECT_THAT(cached_files(directory), testing::IsEmpty());
}

// In each round the daemon gets the signal while files are read in order: often enough to hit the
// moment at which it sends a file that is being read.
class SignalWhileReadingTest : public PrefetchTest {
 protected:
  void expect_end(int signal, int exit_status) {
    Writer writer(fresh());
    for (int i = 0; i < file_count; ++i) {
      put(writer, linux_to_image_path(name_of(i)), std::string(60000, static_cast<char>(i)));
    }
    writer.commit();
    const std::string directory = make_directory();
    for (int round = 0; round < 100; ++round) {
      ForegroundDaemon daemon(image_path(), directory);
      std::vector<std::jthread> readers;
      for (int first = 0; first < file_count; first += file_count / 4) {
        readers.emplace_back([&, first](std::stop_token stop) {
          for (int i = first; !stop.stop_requested(); i = (i + 1) % file_count) {
            std::ifstream(directory + "/" + name_of(i)).get();  // until the mount is gone
          }
        });
      }
      ASSERT_TRUE(wait_until([&] { return is_cached(directory + "/" + name_of(9)); }));
      daemon.signal(signal);
      const int status = daemon.wait();
      if (status < 0) umount2(directory.c_str(), MNT_FORCE);  // lets the readers end
      ASSERT_EQ(status, exit_status) << round;
      for (std::jthread& reader : readers) reader.request_stop();
      readers.clear();
      if (is_mounted(directory)) unmount_image(directory);
    }
  }
};

TEST_F(SignalWhileReadingTest, EndsTheDaemon) { expect_end(SIGTERM, 0); }

TEST_F(SignalWhileReadingTest, CanKillTheDaemon) {
  constexpr auto fusectl_magic = 0x65735543;
  struct statfs control;
  const bool is_there =
      statfs("/sys/fs/fuse/connections", &control) == 0 && control.f_type == fusectl_magic;
  if (geteuid() != 0 && !is_there) GTEST_SKIP() << "only root needs no fusectl file system";
  expect_end(SIGKILL, 128 + SIGKILL);
}

// Whether a process that has mapped the file at `path` has asked for no read-ahead of it (VmFlags
// in proc_pid_smaps(5)).
bool reads_pages_alone(pid_t process, const std::string& path) {
  std::ifstream mappings("/proc/" + std::to_string(process) + "/smaps");
  bool of_file = false;
  for (std::string line; std::getline(mappings, line);) {
    if (line.find('/') != std::string::npos) of_file = line.ends_with(path);
    if (of_file && line.starts_with("VmFlags:")) return line.find(" rr") != std::string::npos;
  }
  ADD_FAILURE() << "no mapping of " << path;
  return false;
}

// A cold image costs the disk little until somebody looks beyond the root.
TEST_F(PrefetchTest, MetadataIsReadAheadOnceADirectoryIsLookedInto) {
  {
    Writer writer(fresh());
    writer.create_directory(u"directory", {});
    for (int i = 0; i < 10000; ++i) put(writer, linux_to_image_path("directory/" + name_of(i)), "");
    writer.commit();
  }
  const std::string metadata = region_paths(image_path(), RegionType::metadata).back();
  const std::size_t size = boost::filesystem::file_size(metadata);
  drop_cached(metadata);
  if (cached_bytes(metadata, size) != 0) GTEST_SKIP() << "the file system keeps all in memory";
  const std::string mount_point = make_directory();
  const std::string root = mount_point + "/";
  const ForegroundDaemon daemon(image_path(), mount_point);
  EXPECT_EQ(list_directory(root).size(), 1);
  EXPECT_TRUE(wait_until_idle(daemon.pid()));
  EXPECT_TRUE(reads_pages_alone(daemon.pid(), metadata));
  EXPECT_LT(cached_bytes(metadata, size), size / 2);
  EXPECT_FALSE(boost::filesystem::exists(root + "directory/missing"));
  EXPECT_TRUE(wait_until([&] { return cached_bytes(metadata, size) >= size; }));
  EXPECT_FALSE(reads_pages_alone(daemon.pid(), metadata));
}

TEST_F(PrefetchTest, AnythingButANumberIsRefused) {
  Writer writer(fresh());
  writer.commit();
  for (const std::string value : {"", "x", "-1", "1025"}) {
    const ProgramResult result =
        run_daemon({"-o", "prefetch=" + value, image_path(), make_directory("to-" + value)});
    EXPECT_EQ(result.exit_status, 2) << value;
    EXPECT_THAT(result.message, testing::HasSubstr("prefetch=" + value));
  }
}

}  // namespace
}  // namespace cim::test
