// cim ls, stat, cat and info.
#include <array>

#include <boost/filesystem.hpp>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "cli_test.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;
using Json = nlohmann::json;

class Inspect : public CliTest {
 protected:
  // An image of one file that is known in every respect, a directory and a link.
  void create_image() const {
    write("src/d/file", "12345");
    fs::create_symlink("d/file", path("src/link"));
    chmod(path("src/d/file").c_str(), 04751);
    const std::array<timespec, 2> times = {timespec{0, UTIME_OMIT}, timespec{981173106, 123456789}};
    utimensat(AT_FDCWD, path("src/d/file").c_str(), times.data(), 0);
    succeed({"create", "app.cim", "src"});
  }
};

TEST_F(Inspect, LsListsOneNamePerLine) {
  create_image();
  EXPECT_EQ(succeed({"ls", "app.cim"}), "d\nlink\n");
  EXPECT_EQ(succeed({"ls", "app.cim", "/d/"}), "file\n");
  EXPECT_EQ(succeed({"ls", "app.cim", "d/file"}), "d/file\n");
}

TEST_F(Inspect, LsRecursiveShowsPathsBelowTheDirectory) {
  write("src/a/b/c", "");
  succeed({"create", "app.cim", "src"});
  EXPECT_EQ(succeed({"ls", "-R", "app.cim"}), "a\na/b\na/b/c\n");
  EXPECT_EQ(succeed({"ls", "-R", "app.cim", "a"}), "b\nb/c\n");
}

TEST_F(Inspect, LsLongShowsModeLinksSizeTimeAndTarget) {
  create_image();
  setenv("TZ", "UTC", 1);
  const std::string file = succeed({"ls", "-l", "app.cim", "d"});
  EXPECT_TRUE(file.starts_with("-rwsr-x--x  1 ")) << file;
  EXPECT_TRUE(file.ends_with(" 5 2001-02-03 04:05 file\n")) << file;
  const std::string link = succeed({"ls", "-l", "app.cim", "link"});
  EXPECT_TRUE(link.starts_with("lrwxrwxrwx  1 ")) << link;
  EXPECT_TRUE(link.ends_with(" link -> d/file\n")) << link;
}

TEST_F(Inspect, LsLongKeepsALineForAnOddName) {
  write("src/a\nb\033[31m\xFF", "");
  succeed({"create", "app.cim", "src"});
  const std::string line = succeed({"ls", "-l", "app.cim"});
  EXPECT_TRUE(line.ends_with(" a\\nb\\033[31m\\377\n")) << line;
}

TEST_F(Inspect, LsWritesNamesAsTheyAreWhenNobodyWatches) {
  write("src/\xFF\t", "");
  succeed({"create", "app.cim", "src"});
  EXPECT_EQ(succeed({"ls", "app.cim"}), "\xFF\t\n");
}

TEST_F(Inspect, LsJsonIsAnArrayOfFiles) {
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

TEST_F(Inspect, LsJsonOfNothingIsAnEmptyArray) {
  succeed({"create", "app.cim"});
  EXPECT_EQ(Json::parse(succeed({"ls", "--json", "app.cim"})), Json::array());
}

TEST_F(Inspect, JsonKeepsTheBytesOfNamesThatAreNotText) {
  write("src/a\xFF", "");
  succeed({"create", "app.cim", "src"});
  const Json files = Json::parse(succeed({"ls", "--json", "app.cim"}));
  EXPECT_EQ(files[0]["path"], "a\xEF\xBF\xBD");
  EXPECT_EQ(files[0]["path_hex"], "61ff");
}

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
  for (const char* line : {"image: app.cim\n", "version: 2.0\n", "names: case-sensitive\n",
                           "files: 4, 5 bytes\n", "region set: "}) {
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

}  // namespace
}  // namespace cim::cli
