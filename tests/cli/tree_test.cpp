// cim tree.
#include <boost/filesystem.hpp>

#include "cli_test.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;

class Tree : public CliTest {
 protected:
  Tree() {
    setenv("LC_ALL", "C", 1);
    write("src/a/b/file", "");
    write("src/a/c/file", "");
    fs::create_symlink("a/b", path("src/link"));
    succeed({"create", "app.cim", "src"});
  }
  ~Tree() override { unsetenv("LC_ALL"); }
};

TEST_F(Tree, DrawsDirectoriesFilesAndTargets) {
  EXPECT_EQ(succeed({"tree", "app.cim"}),
            ".\n"
            "|-- a\n"
            "|   |-- b\n"
            "|   |   `-- file\n"
            "|   `-- c\n"
            "|       `-- file\n"
            "`-- link -> a/b\n"
            "\n"
            "4 directories, 3 files\n");
}

TEST_F(Tree, DrawsWithLinesInAUtf8Locale) {
  setenv("LC_ALL", "C.UTF-8", 1);
  EXPECT_TRUE(succeed({"tree", "app.cim", "a"})
                  .starts_with("a\n"
                               "├── b\n"
                               "│\u00a0\u00a0 └── file\n"
                               "└── c\n"));
}

TEST_F(Tree, StartsFromADirectoryOrAFile) {
  EXPECT_EQ(succeed({"tree", "app.cim", "/a/c"}), "/a/c\n`-- file\n\n1 directory, 1 file\n");
  EXPECT_EQ(succeed({"tree", "app.cim", "link"}), "link -> a/b\n\n0 directories, 1 file\n");
}

TEST_F(Tree, NamesWhatIsMissing) {
  EXPECT_EQ(fail({"tree", "app.cim", "a/x"}), "cim: app.cim: a/x: no such file or directory");
}

}  // namespace
}  // namespace cim::cli
