// cim du.
#include <boost/filesystem.hpp>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "cli_test.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;
using Json = nlohmann::json;
using testing::HasSubstr;

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

TEST_F(DiskUsage, ShowsShortSizes) {
  write("src/a/bytes", std::string(1023, 'a'));
  write("src/b/kibibyte", std::string(1025, 'b'));
  write("src/c/ten", std::string(9 * 1024 + 1000, 'c'));
  create_image();
  EXPECT_EQ(succeed({"du", "-h", "app.cim"}),
            "1023\t1023\t./a\n"
            "1.1K\t1.1K\t./b\n"
            "10K\t10K\t./c\n"
            "12K\t12K\t.\n");
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

// The data of the page `html`. A node is [name, size, own, parents, again, files, children].
Json page_data(const std::string& html) {
  const std::string begin = "type=\"application/json\">";
  const std::size_t start = html.find(begin) + begin.size();
  return Json::parse(html.substr(start, html.find("</script>", start) - start));
}

// A browser looks at the page in scripts/integration/usage-page.
TEST_F(DiskUsage, APageShowsWhatAForkAddsAndShares) {
  write("src/a/one", std::string(10000, 'x'));
  create_image();
  write("more/b/<script>", std::string(500, 'y'));
  write("more/b/same", std::string(10000, 'x'));
  succeed({"create", "fork.cim", "--from", "app.cim", "more"});
  EXPECT_EQ(succeed({"du", "fork.cim", "--html", "page.html"}), "");
  const Json data = page_data(read("page.html"));
  EXPECT_EQ(data["image"], "fork.cim");
  EXPECT_EQ(data["merged"], false);
  EXPECT_EQ(data["root"], Json::parse(R"(
      ["", 20500, 500, 10000, 10000, 3, [
        ["a", 10000, 0, 10000, 0, 1, [["one", 10000, 0, 10000, 0, 1]]],
        ["b", 10500, 500, 0, 10000, 2, [["<script>", 500, 500, 0, 0, 1],
                                        ["same", 10000, 0, 0, 10000, 1]]]]])"));
}

TEST_F(DiskUsage, APageOfALargeImageShowsSmallFilesTogether) {
  write("src/large", std::string(1000000, 'x'));
  for (int i = 0; i < 50000; ++i) write("src/small/" + std::to_string(i), "");
  create_image();
  const Json data = page_data(succeed({"du", "app.cim", "--html", "-"}));
  EXPECT_EQ(data["merged"], true);
  EXPECT_EQ(data["root"], Json::parse(R"(["", 1000000, 1000000, 0, 0, 50001,
                            [["large", 1000000, 1000000, 0, 0, 1], [null, 0, 0, 0, 0, 50000]]])"));
}

TEST_F(DiskUsage, APageThatCannotBeWrittenIsNotLeftThere) {
  write("src/one", "12345");
  create_image();
  EXPECT_THAT(fail({"du", "app.cim", "--html", "/dev/full"}),
              HasSubstr("/dev/full: No space left"));
  EXPECT_THAT(fail({"du", "app.cim", "--html", "app.cim"}), HasSubstr("is a part of the image"));
  EXPECT_EQ(cim({"du", "app.cim", "--html", "page.html", "one"}).status, 2);
  EXPECT_FALSE(fs::exists(path("page.html")));
}

}  // namespace
}  // namespace cim::cli
