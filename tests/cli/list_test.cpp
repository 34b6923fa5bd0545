// cim ls.
#include <array>
#include <cstdio>
#include <map>
#include <memory>

#include <boost/filesystem.hpp>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli_test.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;
using Json = nlohmann::json;

std::string output_of(const std::string& command) {
  const std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command.c_str(), "r"), pclose);
  std::string text;
  std::array<char, 4096> buffer;
  while (const std::size_t size = fread(buffer.data(), 1, buffer.size(), pipe.get())) {
    text.append(buffer.data(), size);
  }
  return text;
}

class List : public CliTest {
 protected:
  List() { setenv("TZ", "UTC", 1); }

  // Makes an image of a directory, a link, and one file with every property known.
  void create_image() const {
    write("src/d/file", "12345");
    fs::create_symlink("d/file", path("src/link"));
    chmod(path("src/d/file").c_str(), 04751);
    set_time("src/d/file", {981173106, 123456700});
    succeed({"create", "app.cim", "src"});
  }

  void set_time(const std::string& name, const timespec& time) const {
    const std::array<timespec, 2> times = {timespec{0, UTIME_OMIT}, time};
    utimensat(AT_FDCWD, path(name).c_str(), times.data(), 0);
  }
};

TEST_F(List, PrintsOneNamePerLine) {
  create_image();
  EXPECT_EQ(succeed({"ls", "app.cim"}), "d\nlink\n");
  EXPECT_EQ(succeed({"ls", "app.cim", "/d/"}), "file\n");
  EXPECT_EQ(succeed({"ls", "app.cim", "d/file"}), "d/file\n");
}

TEST_F(List, RecursivePutsEachDirectoryUnderItsHeading) {
  write("src/a/b/c", "");
  write("src/a.x", "");
  succeed({"create", "app.cim", "src"});
  EXPECT_EQ(succeed({"ls", "-R", "app.cim"}), ".:\na\na.x\n\n./a:\nb\n\n./a/b:\nc\n");
  EXPECT_EQ(succeed({"ls", "-R", "app.cim", "a"}), "a:\nb\n\na/b:\nc\n");
  EXPECT_EQ(succeed({"ls", "-R", "app.cim", "/a/"}), "/a/:\nb\n\n/a/b:\nc\n");
  EXPECT_EQ(succeed({"ls", "-R", "app.cim", "a.x"}), "a.x\n");
}

TEST_F(List, SeveralPathsComeWithHeadingsAfterTheFiles) {
  write("src/b/in-b", "");
  write("src/a/in-a", "");
  write("src/file", "");
  write("src/c", "");
  succeed({"create", "app.cim", "src"});
  EXPECT_EQ(succeed({"ls", "app.cim", "file", "b", "a", "c"}), "c\nfile\n\na:\nin-a\n\nb:\nin-b\n");
  EXPECT_EQ(succeed({"ls", "-d", "app.cim", "b", "file"}), "b\nfile\n");
  EXPECT_EQ(succeed({"ls", "-d", "app.cim"}), ".\n");
  EXPECT_EQ(fail({"ls", "app.cim", "a", "none", "b"}),
            "cim: app.cim: none: no such file or directory");
}

TEST_F(List, SortsByTimeAndBySize) {
  for (const char* name : {"a", "b", "c", "d"}) write("src/" + std::string(name), name);
  write("src/b", "longest");
  write("src/c", "long");
  set_time("src/a", {300, 0});
  set_time("src/b", {100, 200});
  set_time("src/c", {100, 100});
  set_time("src/d", {300, 0});
  succeed({"create", "app.cim", "src"});
  EXPECT_EQ(succeed({"ls", "-t", "app.cim"}), "a\nd\nb\nc\n");
  EXPECT_EQ(succeed({"ls", "-S", "app.cim"}), "b\nc\na\nd\n");
  EXPECT_EQ(succeed({"ls", "-r", "app.cim"}), "d\nc\nb\na\n");
  EXPECT_EQ(succeed({"ls", "-tr", "app.cim"}), "c\nb\nd\na\n");
  EXPECT_EQ(succeed({"ls", "-t", "app.cim", "c", "d"}), "d\nc\n");
}

TEST_F(List, AcceptsTheOptionForAllNames) {
  write("src/.hidden", "");
  succeed({"create", "app.cim", "src"});
  for (const char* option : {"-a", "-A"})
    EXPECT_EQ(succeed({"ls", option, "app.cim"}), ".hidden\n");
}

TEST_F(List, SortsByTheBytesOfNames) {
  // In an image `:` is U+F03A, and a byte that is not UTF-8 is a surrogate.
  for (const char* name : {"a:", "ab", "B", "\xFF", "\U0001F600"}) {
    write("src/" + std::string(name), "");
  }
  succeed({"create", "app.cim", "src"});
  EXPECT_EQ(succeed({"ls", "app.cim"}), "B\na:\nab\n\U0001F600\n\xFF\n");
}

TEST_F(List, LongShowsModeLinksSizeTimeAndTarget) {
  create_image();
  const std::string file = succeed({"ls", "-l", "app.cim", "d"});
  EXPECT_TRUE(file.starts_with("total ")) << file;
  EXPECT_NE(file.find("\n-rwsr-x--x 1 "), std::string::npos) << file;
  EXPECT_TRUE(file.ends_with(" 5 Feb  3  2001 file\n")) << file;
  const std::string link = succeed({"ls", "-l", "app.cim", "link"});
  EXPECT_TRUE(link.starts_with("lrwxrwxrwx 1 ")) << link;
  EXPECT_TRUE(link.ends_with(" link -> d/file\n")) << link;
}

TEST_F(List, LongIsWhatLsPrintsOfAMount) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may make devices";
  if (!can_mount()) GTEST_SKIP() << "/dev/fuse cannot be used";
  create_image();
  write("src/big", std::string(1234567, 'x'));
  write("src/.hidden/empty", "");
  const time_t now = time(nullptr);
  write("src/d/recent", "");
  set_time("src/d/recent", {now - 100 * 86400, 0});
  write("src/d/future", "");
  set_time("src/d/future", {now + 86400, 0});
  fs::create_hard_link(path("src/d/file"), path("src/d/again"));
  chown(path("src/d/recent").c_str(), 1, 123456);
  mknod(path("src/null").c_str(), S_IFCHR | 0600, makedev(1, 3));
  mknod(path("src/fifo").c_str(), S_IFIFO | 0600, 0);
  succeed({"create", "--force", "app.cim", "src"});
  fs::create_directory(path("mnt"));
  succeed({"mount", "app.cim", "mnt"});
  const std::string in_mount = "cd " + path("mnt") + " && LC_ALL=C TZ=UTC ls ";
  const std::string recursive = output_of(in_mount + "-lAR");
  const std::string one = output_of(in_mount + "-l d/recent");
  // What the options that change one listing make of it.
  std::map<std::string, std::string> expected;
  for (const char* options : {"-Alh", "-At", "-AS", "-Atr", "-Ald", "-AlS"}) {
    expected[options] = output_of(in_mount + options + " d link big .hidden null");
  }
  succeed({"umount", "mnt"});
  EXPECT_EQ(succeed({"ls", "-lR", "app.cim"}), recursive);
  EXPECT_EQ(succeed({"ls", "-l", "app.cim", "d/recent"}), one);
  for (const auto& [options, text] : expected) {
    EXPECT_EQ(succeed({"ls", options, "app.cim", "d", "link", "big", ".hidden", "null"}), text)
        << options;
  }
}

TEST_F(List, LongMarksFilesWithAnAccessControlList) {
  create_image();
  // Version 2; user::rwx, user:1:r--, group::r-x, mask::r-x, other::--x
  constexpr std::array<unsigned char, 44> acl = {
      2, 0, 0,   0,   1,   0,   7,  0, 255, 255, 255, 255, 2,   0,  4,
      0, 1, 0,   0,   0,   4,   0,  5, 0,   255, 255, 255, 255, 16, 0,
      5, 0, 255, 255, 255, 255, 32, 0, 1,   0,   255, 255, 255, 255};
  write("src/d/with", "");
  if (setxattr(path("src/d/with").c_str(), "system.posix_acl_access", acl.data(), acl.size(), 0) !=
      0) {
    GTEST_SKIP() << "no access control lists in the temporary directory";
  }
  succeed({"create", "--force", "app.cim", "src"});
  const std::string text = succeed({"ls", "-l", "app.cim", "d"});
  EXPECT_NE(text.find("\n-rwsr-x--x  1 "), std::string::npos) << text;
  EXPECT_NE(text.find("\n-rwxr-x--x+ 1 "), std::string::npos) << text;
}

TEST_F(List, LongKeepsALineForAnOddName) {
  write("src/a\nb\033[31m\xFF", "");
  succeed({"create", "app.cim", "src"});
  const std::string line = succeed({"ls", "-l", "app.cim"});
  EXPECT_TRUE(line.ends_with(" a\\nb\\033[31m\\377\n")) << line;
}

TEST_F(List, WritesNamesAsTheyAreWhenNobodyWatches) {
  write("src/\xFF\t", "");
  succeed({"create", "app.cim", "src"});
  EXPECT_EQ(succeed({"ls", "app.cim"}), "\xFF\t\n");
}

TEST_F(List, JsonIsAnArrayOfFiles) {
  create_image();
  const Json files = Json::parse(succeed({"ls", "--json", "-R", "app.cim"}));
  ASSERT_EQ(files.size(), 3U);
  EXPECT_EQ(files[0]["path"], "d");
  EXPECT_EQ(files[0]["type"], "directory");
  const Json expected = {
      {"path", "d/file"}, {"type", "regular file"},
      {"mode", "4751"},   {"links", 1},
      {"uid", geteuid()}, {"gid", getegid()},
      {"size", 5},        {"mtime", "2001-02-03T04:05:06.1234567Z"},
  };
  EXPECT_EQ(files[1], expected);
  EXPECT_EQ(files[2]["type"], "symbolic link");
  EXPECT_EQ(files[2]["target"], "d/file");
}

TEST_F(List, JsonOfSeveralPathsHasThemInFront) {
  create_image();
  const Json files = Json::parse(succeed({"ls", "--json", "app.cim", "/", "d"}));
  ASSERT_EQ(files.size(), 3U);
  EXPECT_EQ(files[0]["path"], "/d");
  EXPECT_EQ(files[1]["path"], "/link");
  EXPECT_EQ(files[2]["path"], "d/file");
  const Json recursive = Json::parse(succeed({"ls", "--json", "-R", "app.cim", "d", "link"}));
  ASSERT_EQ(recursive.size(), 2U);
  EXPECT_EQ(recursive[0]["path"], "d/file");
  EXPECT_EQ(recursive[1]["path"], "link");
  const Json itself = Json::parse(succeed({"ls", "--json", "-d", "app.cim", "d"}));
  ASSERT_EQ(itself.size(), 1U);
  EXPECT_EQ(itself[0]["path"], "d");
}

TEST_F(List, JsonOfNothingIsAnEmptyArray) {
  succeed({"create", "app.cim"});
  EXPECT_EQ(Json::parse(succeed({"ls", "--json", "app.cim"})), Json::array());
}

TEST_F(List, JsonKeepsTheBytesOfNamesThatAreNotText) {
  write("src/a\xFF", "");
  succeed({"create", "app.cim", "src"});
  const Json files = Json::parse(succeed({"ls", "--json", "app.cim"}));
  EXPECT_EQ(files[0]["path"], "a\xEF\xBF\xBD");
  EXPECT_EQ(files[0]["path_hex"], "61ff");
}

}  // namespace
}  // namespace cim::cli
