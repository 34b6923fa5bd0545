// cim stat, cat and info.
#include <array>

#include <boost/filesystem.hpp>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "cli_test.h"
#include "support/windows_links.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;
using Json = nlohmann::json;

class Inspect : public CliTest {
 protected:
  // Makes an image of a directory, a link, and one file with every property known.
  void create_image() const {
    write("src/d/file", "12345");
    fs::create_symlink("d/file", path("src/link"));
    chmod(path("src/d/file").c_str(), 04751);
    const std::array<timespec, 2> times = {timespec{0, UTIME_OMIT}, timespec{981173106, 123456789}};
    utimensat(AT_FDCWD, path("src/d/file").c_str(), times.data(), 0);
    succeed({"create", "app.cim", "src"});
  }
};

TEST_F(Inspect, StatShowsEverythingOfAFile) {
  create_image();
  setenv("TZ", "UTC", 1);
  const std::string text = succeed({"stat", "app.cim", "d/file"});
  for (const char* line :
       {"File: d/file\n", "Type: regular file\n", "Size: 5\n", "Links: 1\n",
        "Mode: 4751 (-rwsr-x--x)\n", "Modify: 2001-02-03 04:05:06.1234567 +0000\n"}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "is not in\n" << text;
  }
}

TEST_F(Inspect, StatJsonIsAnObject) {
  create_image();
  const Json file = Json::parse(succeed({"stat", "--json", "app.cim", "link"}));
  EXPECT_EQ(file["path"], "link");
  EXPECT_EQ(file["target"], "d/file");
  EXPECT_EQ(file["reparse_tag"], 0xA000001D);
  EXPECT_EQ(file["attributes"], Json::array({"reparse-point"}));
  EXPECT_EQ(file["streams"], Json::array());
}

TEST_F(Inspect, CatPrintsEveryByte) {
  std::string content(3 << 20, '\0');
  for (std::size_t index = 0; index < content.size(); ++index)
    content[index] = static_cast<char>(index * 7);
  write("src/file", content);
  succeed({"create", "app.cim", "src"});
  EXPECT_TRUE(succeed({"cat", "app.cim", "file"}) == content);
}

TEST_F(Inspect, CatRefusesWhatIsNotAFile) {
  create_image();
  EXPECT_EQ(fail({"cat", "app.cim", "d"}), "cim: app.cim: d: is a directory");
  EXPECT_EQ(fail({"cat", "app.cim", "link"}), "cim: app.cim: link: is a symbolic link");
}

TEST_F(Inspect, InfoNamesVersionNamesAndRegions) {
  create_image();
  const std::string text = succeed({"info", "app.cim"});
  for (const char* line : {"image: app.cim\n", "version: 3.0\n", "names: case-sensitive\n",
                           "times: to 100 ns\n", "files: 4, 5 bytes\n", "region set: "}) {
    EXPECT_NE(text.find(line), std::string::npos) << line << "is not in\n" << text;
  }
}

TEST_F(Inspect, InfoJsonListsTheRegionFilesOfAllSets) {
  create_image();
  write("more/new", std::string(10000, 'x'));
  succeed({"create", "fork.cim", "more", "--from", "app.cim"});
  const Json info = Json::parse(succeed({"info", "--json", "fork.cim"}));
  EXPECT_EQ(info["case_sensitive"], true);
  EXPECT_EQ(info["files"], 5);
  ASSERT_EQ(info["region_sets"].size(), 2U);
  for (const Json& set : info["region_sets"]) {
    for (const Json& region : set["regions"]) {
      const std::string file = path(region["path"]);
      EXPECT_EQ(region["size"], fs::file_size(file)) << file;
    }
  }
}

TEST_F(Inspect, AbsoluteLinksOfEachVersionLeadToFilesOfTheImage) {
  for (const std::uint32_t version : {1U, 2U, 3U}) {
    SCOPED_TRACE(version);
    fs::create_directory(path("images"));
    test::forge_absolute_links(path("images"), version);
    const std::string image = "images/forged.cim";
    for (const auto& [file, target] : {std::pair("d/e/link", "../../d/file"), {"top", "d/file"}}) {
      EXPECT_EQ(Json::parse(succeed({"stat", "--json", image, file}))["target"], target);
    }
    EXPECT_THAT(succeed({"ls", "-lR", image}), testing::HasSubstr("link -> ../../d/file\n"));
    EXPECT_THAT(succeed({"tree", image}), testing::HasSubstr("link -> ../../d/file\n"));
    EXPECT_THAT(succeed({"export", image}), testing::HasSubstr("../../d/file"));
    EXPECT_THAT(cim({"check", image}).out, testing::HasSubstr(" 0 errors"));
    succeed({"extract", image, "out"});
    EXPECT_EQ(read("out/d/e/link"), "content");
    EXPECT_EQ(read("out/top"), "content");
    succeed({"diff", image, "out"});
    fs::remove_all(path("out"));
    fs::remove_all(path("images"));
  }
}

}  // namespace
}  // namespace cim::cli
