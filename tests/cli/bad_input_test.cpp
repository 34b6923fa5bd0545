// Errors of the user, the disk or an attacker: each gives one clear line and exit status 1, and
// changes nothing.
#include <atomic>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <map>
#include <thread>

#include <boost/filesystem.hpp>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli_test.h"
#include "image/forged_image.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;

class BadInput : public CliTest {
 protected:
  // Overwrites a byte of app.cim.
  void patch(std::streamoff offset, char byte) const {
    std::fstream file(path("app.cim"), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(offset).put(byte);
  }
};

// A file system of its own that is full after `size` bytes; needs root.
class SmallDisk {
 public:
  SmallDisk(std::string directory, const std::string& size) : directory_(std::move(directory)) {
    fs::create_directory(directory_);
    mounted_ = ::mount("tmpfs", directory_.c_str(), "tmpfs", 0, ("size=" + size).c_str()) == 0;
  }
  SmallDisk(const SmallDisk&) = delete;
  SmallDisk& operator=(const SmallDisk&) = delete;
  ~SmallDisk() {
    if (mounted_) umount2(directory_.c_str(), MNT_DETACH);
  }

  bool mounted() const { return mounted_; }

  std::uint64_t used() const {  // bytes
    struct statvfs status = {};
    EXPECT_EQ(0, statvfs(directory_.c_str(), &status));
    return (status.f_blocks - status.f_bfree) * status.f_frsize;
  }

 private:
  const std::string directory_;
  bool mounted_;
};

// Commands that write to `disk/`, on disks that fill up early or late: among the first streams, in
// the middle of several MiB of them, within the last few KiB.
class FullDisk : public BadInput {
 protected:
  FullDisk() {
    for (int i = 0; i < 300; ++i) write_source("small-" + std::to_string(i), 3000);
    for (int i = 0; i < 8; ++i) write_source("large-" + std::to_string(i), 700000);
    write_source("z-largest", 5 << 20);
  }

  // Runs `prepare` and `command` on a disk with room, then on smaller ones, where `command` must
  // fail. After each failure calls `check` with the earlier files, by their sizes.
  template <typename Check>
  void expect_failures(const std::vector<std::string>& prepare,
                       const std::vector<std::string>& command, Check&& check) const {
    std::uint64_t least = 0;
    std::uint64_t needed = 0;
    {
      const SmallDisk disk(path("disk"), "64m");
      if (!disk.mounted()) GTEST_SKIP() << "this user may not mount a tmpfs";
      if (!prepare.empty()) succeed(prepare);
      least = disk.used();
      succeed(command);
      needed = disk.used();
    }
    std::vector<std::uint64_t> sizes;
    for (std::uint64_t eighths = 1; eighths < 8; ++eighths) {
      sizes.push_back(least + (needed - least) * eighths / 8);
    }
    for (const std::uint64_t missing : {4, 8, 16, 32, 64, 128, 256}) {
      sizes.push_back(needed - missing * 1024);
    }
    for (const std::uint64_t size : sizes) {
      SCOPED_TRACE(std::to_string(size) + " of " + std::to_string(needed) + " bytes");
      const SmallDisk disk(path("disk"), std::to_string(size));
      if (!prepare.empty()) succeed(prepare);
      const std::map<std::string, std::uintmax_t> before = files_on_disk();
      const std::string message = fail(command);
      EXPECT_TRUE(message.ends_with(": No space left on device")) << message;
      check(before);
    }
  }

  void expect_disk_unchanged(const std::vector<std::string>& prepare,
                             const std::vector<std::string>& command) const {
    expect_failures(prepare, command, [&](const auto& before) {
      EXPECT_EQ(before, files_on_disk());
      if (prepare.empty()) return;
      EXPECT_EQ("x", succeed({"cat", "disk/app.cim", "small"}));
    });
  }

  std::map<std::string, std::uintmax_t> files_on_disk() const {
    std::map<std::string, std::uintmax_t> sizes;
    for (const auto& entry : fs::recursive_directory_iterator(path("disk"))) {
      if (fs::is_regular_file(entry)) sizes[entry.path().string()] = fs::file_size(entry);
    }
    return sizes;
  }

 private:
  // No two files are equal, since stored data takes no room again.
  void write_source(const std::string& name, std::size_t size) const {
    write("src/" + name, name + std::string(size, 'x'));
  }
};

TEST_F(BadInput, AMissingImage) {
  for (const std::vector<std::string>& command : {std::vector<std::string>{"ls", "no.cim"},
                                                  {"stat", "no.cim", "/"},
                                                  {"cat", "no.cim", "x"},
                                                  {"info", "no.cim"},
                                                  {"extract", "no.cim", "out"},
                                                  {"rm", "no.cim", "x"},
                                                  {"ln", "no.cim", "x", "y"}}) {
    const std::string message = fail(command);
    EXPECT_TRUE(message.starts_with("cim: no.cim: ")) << message;
  }
  EXPECT_TRUE(files().empty());
}

TEST_F(BadInput, AForeignFile) {
  write("app.cim", std::string(1000, 'x'));
  EXPECT_EQ(fail({"ls", "app.cim"}).find("cim: app.cim: is not "), 0U);
  EXPECT_EQ(fail({"rm", "app.cim", "x"}).find("cim: app.cim: is not "), 0U);
  EXPECT_EQ(read("app.cim"), std::string(1000, 'x'));
}

TEST_F(BadInput, AnEmptyFileAndADirectory) {
  write("app.cim", "");
  EXPECT_TRUE(fail({"ls", "app.cim"}).starts_with("cim: app.cim: "));
  write("dir.cim/x", "");
  EXPECT_EQ(fail({"tree", "dir.cim"}), "cim: dir.cim: is a directory");
}

TEST_F(BadInput, AnotherVersion) {
  create_sample();
  patch(16, 9);
  EXPECT_EQ(fail({"ls", "app.cim"}),
            "cim: app.cim: has format version 9.0; versions 1 to 3 are supported");
}

TEST_F(BadInput, AMissingRegion) {
  create_sample();
  const std::string missing = region("data");
  fs::remove(missing);
  const std::string message = fail({"cat", "app.cim", "small"});
  EXPECT_TRUE(message.starts_with("cim: app.cim: ")) << message;
  EXPECT_NE(message.find(fs::path(missing).filename().string()), std::string::npos) << message;
}

TEST_F(BadInput, ATruncatedDataRegion) {
  create_sample();
  fs::resize_file(region("data"), 50000);
  EXPECT_TRUE(fail({"cat", "app.cim", "large"}).starts_with("cim: app.cim: large: "));
  EXPECT_TRUE(fail({"extract", "app.cim", "out"}).starts_with("cim: app.cim: large: "));
  EXPECT_EQ(read("out/large"), "(none)");
  EXPECT_EQ(succeed({"cat", "app.cim", "small"}), "x");
}

TEST_F(BadInput, ATruncatedMetadataRegion) {
  create_sample();
  const std::string metadata = region("metadata");
  for (const std::uintmax_t size :
       {std::uintmax_t{0}, std::uintmax_t{100}, fs::file_size(metadata) / 2}) {
    fs::resize_file(metadata, size);
    EXPECT_TRUE(fail({"ls", "-l", "-R", "app.cim"}).starts_with("cim: app.cim: ")) << size;
  }
}

TEST_F(FullDisk, WhileCreating) { expect_disk_unchanged({}, {"create", "disk/app.cim", "src"}); }

TEST_F(FullDisk, WhileExtending) {
  write("first/small", "x");
  expect_disk_unchanged({"create", "disk/app.cim", "first"}, {"add", "disk/app.cim", "src"});
}

TEST_F(FullDisk, WhileReplacing) {
  write("first/small", "x");
  expect_disk_unchanged({"create", "disk/app.cim", "first"},
                        {"create", "--force", "disk/app.cim", "src"});
}

TEST_F(FullDisk, WhileExporting) {
  succeed({"create", "app.cim", "src"});
  expect_disk_unchanged({}, {"export", "app.cim", "--tar", "disk/app.tar"});
}

TEST_F(FullDisk, WhileExtracting) {
  succeed({"create", "app.cim", "src"});
  std::size_t extracted = 0;
  expect_failures({}, {"extract", "app.cim", "disk/out"}, [&](const auto&) {
    extracted += files_on_disk().size();
    for (const auto& [file, size] : files_on_disk()) {
      EXPECT_EQ(size, fs::file_size(fs::path(path("src")) / fs::path(file).filename()))
          << "a part of " << file;
    }
  });
  EXPECT_TRUE(IsSkipped() || extracted > 0);
}

TEST_F(BadInput, AFullDiskForTheOutput) {
  create_sample();
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full";
  const std::string command =
      "cd " + directory() + " && \"$CIM\" cat app.cim large >/dev/full 2>err";
  EXPECT_EQ(WEXITSTATUS(std::system(command.c_str())), 1);
  EXPECT_EQ(read("err"), "cim: app.cim: standard output: No space left on device\n");
}

TEST_F(BadInput, AReadOnlyDirectory) {
  write("src/x", "x");
  fs::create_directory(path("locked"));
  fs::permissions(path("locked"), fs::perms(0555));
  const Result result = cim_as_nobody({"create", "locked/app.cim", "src"});
  EXPECT_EQ(result.status, 1);
  EXPECT_TRUE(result.err.starts_with("cim: locked/app.cim: ")) << result.err;
  EXPECT_TRUE(result.err.ends_with("Permission denied\n")) << result.err;
  EXPECT_TRUE(fs::is_empty(path("locked")));
}

TEST_F(BadInput, AMissingDirectoryForTheImage) {
  EXPECT_TRUE(fail({"create", "no/app.cim"}).starts_with("cim: no/app.cim: "));
}

TEST_F(BadInput, AMissingSource) {
  EXPECT_EQ(fail({"create", "app.cim", "src"}), "cim: app.cim: src: No such file or directory");
  EXPECT_TRUE(files().empty());
}

TEST_F(BadInput, AnUnreadableFileInTheSource) {
  write("src/secret", "x");
  fs::permissions(path("src/secret"), fs::perms(0));
  const Result result = cim_as_nobody({"create", "app.cim", "src"});
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.err, "cim: app.cim: src/secret: Permission denied\n");
  EXPECT_TRUE(files().empty());
}

TEST_F(BadInput, ASourceThatChangesWhileItIsRead) {
  write("src/log", std::string(16 << 20, 'x'));
  std::atomic<bool> done = false;
  std::thread logger([&] {
    std::ofstream log(path("src/log"), std::ios::app);
    while (!done) log << "more" << std::flush;
  });
  const Result result = cim({"create", "app.cim", "src"});
  done = true;
  logger.join();
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.err, "cim: app.cim: src/log: changed while it was read\n");
  EXPECT_TRUE(files().empty());
}

TEST_F(BadInput, NamesThatCollideWithoutCase) {
  write("src/README", "");
  write("src/readme", "");
  EXPECT_EQ(
      fail({"create", "--case-insensitive", "app.cim", "src"}),
      "cim: app.cim: src/readme: 'README' and 'readme' are one name in a case-insensitive image");
  EXPECT_TRUE(files().empty());
}

TEST_F(BadInput, NamesThatCollideWithoutCaseInTheBase) {
  write("src/README", "");
  write("src/readme", "");
  succeed({"create", "--case-insensitive", "base.cim"});
  EXPECT_NE(fail({"create", "app.cim", "src", "--from", "base.cim"}).find("'README' and 'readme'"),
            std::string::npos);
}

TEST_F(BadInput, APathThatLeavesTheImage) {
  create_sample();
  write("file", "x");
  for (const std::vector<std::string>& command : {std::vector<std::string>{"ls", "app.cim", "../x"},
                                                  {"cat", "app.cim", "a/../../x"},
                                                  {"add", "app.cim", "file", "../x"},
                                                  {"rm", "app.cim", ".."},
                                                  {"ln", "app.cim", "small", "../x"},
                                                  {"extract", "app.cim", "out", "../x"}}) {
    const std::string before = all_contents();
    const std::string message = fail(command);
    EXPECT_TRUE(message.starts_with("cim: app.cim: ")) << message;
    EXPECT_NE(message.find(".."), std::string::npos) << message;
    EXPECT_EQ(all_contents(), before) << command[0];
  }
}

TEST_F(BadInput, ANameOver255Units) {
  create_sample();
  write("file", "x");
  const std::string name(256, 'n');
  for (const std::vector<std::string>& command :
       {std::vector<std::string>{"add", "app.cim", "file", name},
        {"ls", "app.cim", name},
        {"ln", "app.cim", "small", "d/" + name}}) {
    const std::string before = all_contents();
    EXPECT_TRUE(fail(command).starts_with("cim: app.cim: "));
    EXPECT_EQ(all_contents(), before);
  }
}

TEST_F(BadInput, AMissingPathInTheImage) {
  create_sample();
  const std::string expected = "cim: app.cim: etc/passwd: no such file or directory";
  EXPECT_EQ(fail({"ls", "app.cim", "etc/passwd"}), expected);
  EXPECT_EQ(fail({"stat", "app.cim", "etc/passwd"}), expected);
  EXPECT_EQ(fail({"cat", "app.cim", "etc/passwd"}), expected);
}

TEST_F(BadInput, AMissingPathThatIsCalledAsTheImage) {
  create_sample();
  const std::string expected = "cim: app.cim: app.cim: no such file or directory";
  EXPECT_EQ(fail({"ls", "app.cim", "app.cim"}), expected);
  EXPECT_EQ(fail({"rm", "app.cim", "app.cim"}), expected);
  EXPECT_EQ(fail({"extract", "app.cim", "out", "app.cim"}), expected);
}

TEST_F(BadInput, AMissingBase) {
  EXPECT_EQ(fail({"create", "app.cim", "--from", "base.cim"}),
            "cim: base.cim: No such file or directory");
}

TEST_F(BadInput, ControlCharactersInAMessage) {
  create_sample();
  EXPECT_EQ(fail({"ls", "app.cim", "a\n\033[2Jb"}),
            "cim: app.cim: a\\n\\033[2Jb: no such file or directory");
}

TEST_F(BadInput, CyclesAmongDirectoriesEnd) {
  test::ForgedImage forged;
  forged.write(directory(), forged.directory_chain(2, 1));
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"ls", "-lR", "forged.cim"},
                                             {"tree", "forged.cim"},
                                             {"du", "forged.cim"},
                                             {"extract", "forged.cim", "out"},
                                             {"export", "forged.cim"},
                                             {"diff", "forged.cim", "forged.cim"}}) {
    const Result result = cim(arguments);
    EXPECT_EQ(result.status, arguments[0] == "diff" ? 2 : 1) << arguments[0];
    EXPECT_NE(result.err.find("more than one name"), std::string::npos) << result.err;
  }
}

TEST_F(BadInput, AHundredThousandLevelsEnd) {
  test::ForgedImage forged;
  forged.write(directory(), forged.directory_chain(100'000, 1));
  EXPECT_NE(fail({"du", "forged.cim"}), "");
  EXPECT_NE(fail({"extract", "forged.cim", "out"}), "");
  // The paths below may be too long for the destructor.
  EXPECT_EQ(std::system(("rm -rf " + path("out")).c_str()), 0);
}

}  // namespace
}  // namespace cim::cli
