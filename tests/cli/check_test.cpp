// cim check: the exit status of fsck(8), and a report of every problem.
#include <cstdlib>
#include <fstream>

#include <boost/filesystem.hpp>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "cli_test.h"
#include "support/failing_disk.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;
using Json = nlohmann::json;

class CheckCommand : public CliTest {
 protected:
  CheckCommand() { create_sample(); }
};

TEST_F(CheckCommand, FindsNothingWrongWithAGoodImage) {
  const Result result = cim({"check", "--data", "--json", "app.cim"});
  EXPECT_EQ(result.status, 0) << result.err;
  const Json report = Json::parse(result.out);
  EXPECT_EQ(report["files"], 3);
  EXPECT_EQ(report["objects"], 13) << "two of data, eleven of metadata";
  EXPECT_TRUE(report["problems"].empty()) << result.out;
}

TEST_F(CheckCommand, AcceptsWhatRemovedFilesLeaveBehind) {
  succeed({"rm", "app.cim", "small"});
  const Result result = cim({"check", "--data", "--json", "app.cim"});
  EXPECT_EQ(result.status, 0) << result.out;
  EXPECT_EQ(Json::parse(result.out)["unused_records"], 1);
}

TEST_F(CheckCommand, FindsChangedDataByItsDigestOnly) {
  std::fstream(region("data"), std::ios::in | std::ios::out | std::ios::binary)
      .seekp(5000)
      .put('y');
  EXPECT_EQ(cim({"check", "app.cim"}).status, 0);
  const Result result = cim({"check", "--data", "app.cim"});
  EXPECT_EQ(result.status, 4);
  EXPECT_NE(result.err.find("cim: app.cim: "), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("digest"), std::string::npos) << result.err;
}

TEST_F(CheckCommand, FindsAFailingDiskOnlyWhenItReadsTheData) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make a file system on a loop device";
  fs::create_directory(path("disk"));
  const test::FailingDisk disk(path("file"), path("disk"));
  if (!disk.mounted()) GTEST_SKIP() << "no loop device";
  succeed({"create", "disk/app.cim", "src"});
  const std::string data = region("data", "disk/app.cim");
  ASSERT_TRUE(disk.fail({data}));
  const Result quick = cim({"check", "disk/app.cim"});
  EXPECT_EQ(quick.status, 0) << quick.err;
  const Result result = cim({"check", "--data", "disk/app.cim"});
  EXPECT_EQ(result.status, 4);
  EXPECT_NE(result.err.find(fs::path(data).filename().string() + ": Input/output error"),
            std::string::npos)
      << result.err;
}

TEST_F(CheckCommand, NamesEveryMissingRegionFile) {
  const std::string data = region("data");
  const std::string small = region("small data");
  fs::remove(data);
  fs::remove(small);
  const Result result = cim({"check", "app.cim"});
  EXPECT_EQ(result.status, 4);
  for (const std::string& file : {data, small}) {
    EXPECT_NE(result.err.find(fs::path(file).filename().string()), std::string::npos) << result.err;
  }
}

TEST_F(CheckCommand, OnlyWarnsOfAMissingObjectIdFile) {
  std::string name = fs::path(region("data")).filename().string();
  name.replace(0, std::string("region").size(), "objectid");
  ASSERT_TRUE(fs::remove(path(name)));
  const Result result = cim({"check", "--data", "app.cim"});
  EXPECT_EQ(result.status, 0);
  EXPECT_NE(result.err.find("cim: app.cim: warning: ./" + name), std::string::npos) << result.err;
}

TEST_F(CheckCommand, IsFsckByThatName) {
  fs::create_symlink(std::getenv("CIM"), path("fsck.cimfs"));
  const auto fsck = [&](const std::string& arguments) {
    const std::string command =
        "cd '" + directory() + "' && ./fsck.cimfs " + arguments + " >log 2>&1";
    return WEXITSTATUS(std::system(command.c_str()));
  };
  EXPECT_EQ(fsck("-V -t cimfs -a -C0 app.cim"), 0) << read("log");
  EXPECT_NE(read("log").find("3 files"), std::string::npos) << read("log");
  EXPECT_EQ(fsck("-t cimfs"), 16);
  EXPECT_EQ(fsck("-t"), 16);
  fs::remove(region("data"));
  EXPECT_EQ(fsck("-p app.cim"), 4) << read("log");
  EXPECT_EQ(read("log").find("fsck.cimfs: app.cim: "), 0) << read("log");
  EXPECT_EQ(read("log").find("\ncim: "), std::string::npos) << read("log");
}

TEST_F(CheckCommand, ExitsAsFsckForWhatIsNoImageAndForWrongUsage) {
  EXPECT_EQ(cim({"check", "missing.cim"}).status, 8);
  EXPECT_EQ(cim({"check"}).status, 16);
  EXPECT_EQ(cim({"check", "--nonsense", "app.cim"}).status, 16);
}

}  // namespace
}  // namespace cim::cli
