// Images that are reached through a symbolic link in another directory.
#include <algorithm>

#include <boost/filesystem.hpp>

#include "cli_test.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;

const std::string link = "links/link.cim";
const std::string image = "store/app.cim";

class LinkedImage : public CliTest {
 protected:
  LinkedImage() {
    for (const char* name : {"links", "store", "mnt"}) fs::create_directory(path(name));
    write("src/small", "x");
    write("src/large", std::string(100000, 'x'));
    succeed({"create", image, "src"});
    fs::create_symlink("../" + image, path(link));
  }

  static std::set<std::string> names_in(const std::string& directory) {
    std::set<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory)) {
      names.insert(entry.path().filename().string());
    }
    return names;
  }

  // Only the link may ever be in its directory.
  void expect_only_link() const {
    EXPECT_EQ(names_in(path("links")), std::set<std::string>{"link.cim"});
    EXPECT_TRUE(fs::is_symlink(path(link)));
  }
};

TEST_F(LinkedImage, IsReadAsTheImageItself) {
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"ls", "-lR", "IMAGE"},
                                             {"tree", "IMAGE"},
                                             {"du", "IMAGE"},
                                             {"stat", "IMAGE", "small"},
                                             {"cat", "IMAGE", "large"},
                                             {"diff", "IMAGE", image},
                                             {"export", "IMAGE"}}) {
    std::vector<std::string> direct = command;
    std::vector<std::string> through_link = command;
    std::replace(direct.begin(), direct.end(), std::string("IMAGE"), image);
    std::replace(through_link.begin(), through_link.end(), std::string("IMAGE"), link);
    EXPECT_EQ(succeed(through_link), succeed(direct)) << command[0];
  }
  succeed({"info", link});
  EXPECT_NE(succeed({"check", "--data", link}).find(" 13 objects compared: 0 errors, 0 warnings"),
            std::string::npos);
  succeed({"extract", link, "out"});
  EXPECT_EQ(read("out/small"), "x");
}

TEST_F(LinkedImage, IsMountedAsTheImageItself) {
  if (!can_mount()) GTEST_SKIP() << "/dev/fuse cannot be used";
  succeed({"mount", link, "mnt"});
  EXPECT_EQ(read("mnt/small"), "x");
  succeed({"umount", "mnt"});
}

TEST_F(LinkedImage, IsChangedWhereItIs) {
  succeed({"add", link, "src/small", "added"});
  succeed({"ln", link, "added", "linked"});
  succeed({"rm", link, "large"});
  EXPECT_EQ(succeed({"ls", image}), "added\nlinked\nsmall\n");
  EXPECT_EQ(cim({"check", "--data", image}).status, 0);
  expect_only_link();
}

TEST_F(LinkedImage, IsForkedOnlyWhereItIs) {
  const Result elsewhere = cim({"create", "links/fork.cim", "src", "--from", link});
  EXPECT_EQ(elsewhere.status, 2);
  EXPECT_NE(elsewhere.err.find("app.cim is not in the directory of links/fork.cim"),
            std::string::npos)
      << elsewhere.err;
  expect_only_link();
  succeed({"create", "store/fork.cim", "--from", link});
  EXPECT_EQ(succeed({"cat", "store/fork.cim", "small"}), "x");
}

TEST_F(LinkedImage, IsNotImportedIntoItself) {
  succeed({"add", link, "store", "copy"});
  EXPECT_EQ(succeed({"ls", image, "copy"}), "");
}

TEST_F(LinkedImage, IsNoConcernOfACollectionAtTheLink) {
  succeed({"create", "links/gone.cim", "src"});
  fs::remove(path("links/gone.cim"));
  EXPECT_EQ(cim({"gc", "links"}).status, 0);
  EXPECT_EQ(cim({"gc", "store"}).status, 0);
  EXPECT_EQ(cim({"check", "--data", link}).status, 0);
}

TEST_F(LinkedImage, ThatIsGoneIsMissing) {
  fs::remove(path(image));
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"ls", link}, {"rm", link, "small"}}) {
    EXPECT_EQ(fail(command), "cim: " + link + ": No such file or directory");
  }
}

}  // namespace
}  // namespace cim::cli
