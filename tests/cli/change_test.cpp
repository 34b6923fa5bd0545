// cim chmod, chown, touch, setfattr, and cim mv in an image.
#include <boost/filesystem.hpp>
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "cli_test.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ChangeTest : public CliTest {
 protected:
  // d/f, which is also g, and the link d/l.
  void SetUp() override {
    write("tree/d/f", "content");
    fs::create_hard_link(path("tree/d/f"), path("tree/g"));
    fs::create_symlink("f", path("tree/d/l"));
    chmod(path("tree/d/f").c_str(), 0644);
    chmod(path("tree/d").c_str(), 02755);
    succeed({"create", "app.cim", "tree"});
  }

  void TearDown() override {
    EXPECT_EQ(cim({"check", "--data", "app.cim"}).status, 0);
    EXPECT_EQ(succeed({"cat", "app.cim", "d/f"}), "content");
  }

  std::string mode_of(const std::string& name) const {
    return succeed({"ls", "-ld", "app.cim", name}).substr(0, 10);
  }

  std::string shown(const std::string& name) const { return succeed({"stat", "app.cim", name}); }
};

TEST_F(ChangeTest, ModesAreNumbersOrLetters) {
  const std::pair<const char*, const char*> cases[] = {
      {"600", "-rw-------"},   {"4755", "-rwsr-xr-x"},     {"g-s,u-s,o=", "-rwxr-x---"},
      {"a=r", "-r--r--r--"},   {"u+w,+X", "-rw-r--r--"},   {"u+x,go+X", "-rwxr-xr-x"},
      {"o=u-x", "-rwxr-xrw-"}, {"g=o", "-rwxrw-rw-"},      {"u=rw,go=u,+t", "-rw-rw-rwT"},
      {"00000", "----------"}, {"u=s,g=xs", "---S--s---"}, {"0644", "-rw-r--r--"}};
  for (const auto& [mode, expected] : cases) {
    succeed({"chmod", "app.cim", mode, "d/f"});
    EXPECT_EQ(mode_of("g"), expected) << mode;
  }
  for (const char* mode : {"888", "u=q", "u", "77777", "u+r,", "=,r"}) {
    EXPECT_EQ(cim({"chmod", "app.cim", "--", mode, "g"}).status, 2) << mode;
  }
}

TEST_F(ChangeTest, SetIdBitsOfDirectoriesStayUnlessNamed) {
  succeed({"chmod", "app.cim", "700", "d"});
  EXPECT_EQ(mode_of("d"), "drwx--S---");
  succeed({"chmod", "app.cim", "a=rx", "d"});
  EXPECT_EQ(mode_of("d"), "dr-xr-sr-x");
  succeed({"chmod", "app.cim", "00755", "d"});
  EXPECT_EQ(mode_of("d"), "drwxr-xr-x");
}

TEST_F(ChangeTest, AllBelowADirectoryIsChangedButNoLink) {
  succeed({"chmod", "app.cim", "-R", "u=rwX,go=", "."});
  EXPECT_EQ(mode_of("d/f"), "-rw-------");
  EXPECT_EQ(mode_of("."), "drwx------");
  EXPECT_EQ(mode_of("d/l"), "lrwxrwxrwx");
  EXPECT_THAT(fail({"chmod", "app.cim", "600", "d/l"}), HasSubstr("d/l: is a symbolic link"));
}

TEST_F(ChangeTest, OwnersAreNamesOrNumbers) {
  succeed({"chmod", "app.cim", "6755", "g"});
  succeed({"chown", "app.cim", "-R", "7:root", "d"});
  EXPECT_THAT(shown("g"), HasSubstr("Owner: 7"));
  EXPECT_EQ(mode_of("g"), "-rwxr-xr-x");
  EXPECT_THAT(shown("d/l"), HasSubstr("Owner: 7"));
  succeed({"chown", "app.cim", ":9", "d"});
  EXPECT_THAT(shown("d"), HasSubstr("Owner: 7"));
  EXPECT_THAT(shown("d"), HasSubstr("Group: 9"));
  for (const char* owner : {":", "nobody:", "no such user", "-1"}) {
    EXPECT_EQ(cim({"chown", "app.cim", "--", owner, "d"}).status, 2) << owner;
  }
}

TEST_F(ChangeTest, TimesAreSetAndMissingFilesAreMade) {
  succeed({"touch", "app.cim", "-d", "2020-01-02T03:04:05Z", "d/f", "d/new"});
  EXPECT_THAT(shown("g"), HasSubstr("Modify: 2020-01-02 03:04:05"));
  EXPECT_EQ(succeed({"cat", "app.cim", "d/new"}), "");
  succeed({"touch", "app.cim", "-c", "missing"});
  EXPECT_EQ(succeed({"ls", "app.cim"}), "d\ng\n");
  EXPECT_THAT(fail({"touch", "app.cim", "missing/x"}), HasSubstr("its parent directory"));
  EXPECT_EQ(cim({"touch", "app.cim", "-d", "yesterday", "g"}).status, 2);
}

TEST_F(ChangeTest, AttributesComeAndGo) {
  succeed({"setfattr", "app.cim", "-n", "user.one", "-v", "1", "g"});
  succeed({"setfattr", "app.cim", "-n", "user.two", "g"});
  EXPECT_THAT(shown("d/f"), HasSubstr("user.one"));
  succeed({"setfattr", "app.cim", "-x", "user.one", "d/f"});
  EXPECT_THAT(shown("g"), Not(HasSubstr("user.one")));
  EXPECT_THAT(shown("g"), HasSubstr("user.two"));
  EXPECT_THAT(fail({"setfattr", "app.cim", "-x", "user.one", "g"}),
              HasSubstr("g: has no attribute user.one"));
  EXPECT_EQ(cim({"setfattr", "app.cim", "g"}).status, 2);
  EXPECT_EQ(cim({"setfattr", "app.cim", "-n", "plain", "g"}).status, 2);
}

TEST_F(ChangeTest, NothingChangesIfAFileIsMissing) {
  EXPECT_THAT(fail({"chmod", "app.cim", "600", "g", "missing"}),
              HasSubstr("missing: no such file or directory"));
  EXPECT_EQ(mode_of("g"), "-rw-r--r--");
}

TEST_F(ChangeTest, AFileOrDirectoryIsRenamed) {
  succeed({"mv", "app.cim", "g", "h"});
  succeed({"mv", "app.cim", "d", "/e/"});
  succeed({"mv", "app.cim", "h", "e"});
  EXPECT_EQ(succeed({"ls", "-R", "app.cim"}), ".:\ne\n\n./e:\nf\nh\nl\n");
  EXPECT_THAT(fail({"mv", "app.cim", "e/h", "e/l"}), HasSubstr("e/l: exists already; --force"));
  succeed({"mv", "--force", "app.cim", "e/h", "e/l"});
  EXPECT_THAT(fail({"mv", "app.cim", "e", "e/x"}), HasSubstr("cannot be moved into itself"));
  EXPECT_THAT(fail({"mv", "app.cim", "missing", "x"}), HasSubstr("missing: no such file"));
  succeed({"mv", "app.cim", "e", "d"});
}

TEST_F(ChangeTest, ADirectoryIsNotReplaced) {
  succeed({"mv", "app.cim", "g", "f"});
  succeed({"add", "app.cim", "tree/d", "x/f"});
  EXPECT_THAT(fail({"mv", "-f", "app.cim", "f", "x"}), HasSubstr("x/f: exists already, and is a"));
}

}  // namespace
}  // namespace cim::cli
