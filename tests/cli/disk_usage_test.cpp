// cim du.
#include <boost/filesystem.hpp>
#include <nlohmann/json.hpp>

#include "cli_test.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;
using Json = nlohmann::json;

class DiskUsage : public CliTest {
 protected:
  void create_image() const { succeed({"create", "app.cim", "src"}); }
};

TEST_F(DiskUsage, CountsDataThatFilesShareOnce) {
  write("src/a/one", std::string(10000, 'x'));
  write("src/b/copy", std::string(10000, 'x'));
  write("src/b/other", std::string(500, 'y'));
  create_image();
  EXPECT_EQ(succeed({"du", "app.cim"}),
            "10000\t10000\t./a\n"
            "10500\t500\t./b\n"
            "20500\t10500\t.\n");
}

TEST_F(DiskUsage, CountsHardLinksOnce) {
  write("src/one", "12345");
  fs::create_hard_link(path("src/one"), path("src/two"));
  create_image();
  EXPECT_EQ(succeed({"du", "app.cim"}), "5\t5\t.\n");
}

TEST_F(DiskUsage, CountsTargetsOfLinksAndNoDirectories) {
  fs::create_directories(path("src/empty"));
  fs::create_symlink("target", path("src/link"));
  create_image();
  EXPECT_EQ(succeed({"du", "app.cim"}), "0\t0\t./empty\n6\t0\t.\n");
}

TEST_F(DiskUsage, StoresNoHoles) {
  write("src/holes", "");
  fs::resize_file(path("src/holes"), 1 << 20);
  create_image();
  EXPECT_EQ(succeed({"du", "app.cim", "holes"}), "1048576\t0\tholes\n");
}

TEST_F(DiskUsage, CountsWhatSeveralPathsHoldWithTheFirst) {
  write("src/a/file", "12345");
  write("src/b", "12345");
  create_image();
  EXPECT_EQ(succeed({"du", "app.cim", "b", "/a/", "a"}), "5\t5\tb\n5\t0\t/a/\n0\t0\ta\n");
}

TEST_F(DiskUsage, JsonIsAnArrayOfPaths) {
  write("src/a/file", "12345");
  create_image();
  const Json expected = {{{"path", "./a"}, {"apparent", 5}, {"stored", 5}},
                         {{"path", "."}, {"apparent", 5}, {"stored", 5}}};
  EXPECT_EQ(Json::parse(succeed({"du", "--json", "app.cim"})), expected);
}

TEST_F(DiskUsage, PrintsNothingIfAPathIsMissing) {
  write("src/a", "");
  create_image();
  EXPECT_EQ(fail({"du", "app.cim", "a", "x"}), "cim: app.cim: x: no such file or directory");
}

}  // namespace
}  // namespace cim::cli
