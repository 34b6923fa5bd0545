// cim extract.
#include <boost/filesystem.hpp>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "cli_test.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;

using ExtractCommand = CliTest;

TEST_F(ExtractCommand, CopiesTheWholeImage) {
  write("src/d/file", "x");
  succeed({"create", "app.cim", "src"});
  EXPECT_EQ(succeed({"extract", "app.cim", "out"}), "");
  EXPECT_EQ(read("out/d/file"), "x");
}

TEST_F(ExtractCommand, CopiesOnlyThePathsThatAreNamed) {
  write("src/d/a", "a");
  write("src/d/b", "b");
  write("src/e", "e");
  succeed({"create", "app.cim", "src"});
  succeed({"extract", "app.cim", "out", "/d/a", "e"});
  EXPECT_EQ(read("out/d/a"), "a");
  EXPECT_EQ(read("out/d/b"), "(none)");
  EXPECT_EQ(read("out/e"), "e");
}

TEST_F(ExtractCommand, NamesAPathThatIsMissing) {
  succeed({"create", "app.cim"});
  EXPECT_EQ(fail({"extract", "app.cim", "out", "no/such"}),
            "cim: app.cim: no/such: no such file or directory");
  EXPECT_FALSE(fs::exists(path("out")));
}

TEST_F(ExtractCommand, DoesNotMakeParentsOfTheDestination) {
  succeed({"create", "app.cim"});
  EXPECT_EQ(fail({"extract", "app.cim", "no/out"}),
            "cim: app.cim: no/out: No such file or directory");
}

TEST_F(ExtractCommand, CountsWhatItMayNotMakeAndGoesOn) {
  fs::create_directory(path("src"));
  if (mknod(path("src/null").c_str(), S_IFCHR | 0666, makedev(1, 3)) != 0) {
    GTEST_SKIP() << "this user may not make devices";
  }
  write("src/other", "x");
  fs::permissions(path("src"), fs::perms(0777));
  succeed({"create", "app.cim", "src"});
  const Result result = cim_as_nobody({"extract", "app.cim", "out"});
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.err,
            "cim: app.cim: out/null: Operation not permitted\n"
            "cim: app.cim: extracted, but for 1 warning\n");
  EXPECT_EQ(read("out/other"), "x");
}

// Whoever extracts must find the way up out of directories that nobody may search.
TEST_F(ExtractCommand, ExtractsDeepTreesOfDirectoriesWithoutPermissions) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can read these";
  std::string deepest = "src";
  for (int depth = 0; depth < 100; ++depth) deepest += "/d";
  write(deepest + "/file", "x");
  fs::permissions(path("src"), fs::perms(0777));
  for (fs::path below = deepest; below != "src"; below = below.parent_path()) {
    fs::permissions(path(below.string()), fs::no_perms);
  }
  succeed({"create", "app.cim", "src"});
  const Result result = cim_as_nobody({"extract", "app.cim", "out"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(read("out" + deepest.substr(3) + "/file"), "x");
}

TEST_F(ExtractCommand, DropsTheRightsOfAnOwnerThatItCannotKeep) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can store files of others";
  write("src/tool", "x");
  ASSERT_EQ(chmod(path("src/tool").c_str(), 06755), 0);
  succeed({"create", "app.cim", "src"});
  EXPECT_EQ(cim_as_nobody({"extract", "app.cim", "out"}).err, "");
  struct stat status = {};
  ASSERT_EQ(stat(path("out/tool").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0755U);
}

}  // namespace
}  // namespace cim::cli
