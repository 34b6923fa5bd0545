// cim diff. What counts as a difference is tested in tests/transfer.
#include <utility>

#include <boost/filesystem.hpp>
#include <nlohmann/json.hpp>
#include <sys/stat.h>

#include "cli_test.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;
using Json = nlohmann::json;

class Diff : public CliTest {
 protected:
  Diff() {
    write("src/changed", "old");
    write("src/removed", "");
    succeed({"create", "old.cim", "src"});
    write("src/changed", "NEW");
    chmod(path("src/changed").c_str(), 0600);
    fs::remove(path("src/removed"));
    write("src/dir\n/added", "");
    // Certainly later than before.
    fs::last_write_time(path("src/changed"), 2000000000);
    fs::last_write_time(path("src"), 2000000000);
    succeed({"create", "new.cim", "src"});
  }
};

TEST_F(Diff, IsSilentAboutEqualTrees) {
  EXPECT_EQ(succeed({"diff", "new.cim", "src"}), "");
  EXPECT_EQ(Json::parse(succeed({"diff", "--json", "src", "new.cim"})), Json::array());
}

TEST_F(Diff, ExitsWith1AndPrintsALinePerPath) {
  const Result result = cim({"diff", "old.cim", "new.cim"});
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.out,
            "changed time .\n"
            "changed content,mode,time changed\n"
            "added dir\\n\n"
            "added dir\\n/added\n"
            "removed removed\n");
}

TEST_F(Diff, JsonNamesPathsAndAspects) {
  const Result result = cim({"diff", "--json", "old.cim", "src"});
  EXPECT_EQ(result.status, 1);
  const Json expected = {
      {{"path", "."}, {"change", "changed"}, {"aspects", {"time"}}},
      {{"path", "changed"}, {"change", "changed"}, {"aspects", {"content", "mode", "time"}}},
      {{"path", "dir\n"}, {"change", "added"}},
      {{"path", "dir\n/added"}, {"change", "added"}},
      {{"path", "removed"}, {"change", "removed"}}};
  EXPECT_EQ(Json::parse(result.out), expected);
}

TEST_F(Diff, ExitsWith2IfSomethingIsWrong) {
  write("text", "no image");
  for (const char* name : {"missing", "text", "/dev/null"}) {
    for (const auto& trees : {std::pair(name, "src"), std::pair("new.cim", name)}) {
      const Result result = cim({"diff", trees.first, trees.second});
      EXPECT_EQ(result.status, 2) << name;
      EXPECT_EQ(result.out, "") << name;
      EXPECT_TRUE(result.err.starts_with("cim: " + std::string(name) + ": ")) << result.err;
    }
  }
  EXPECT_EQ(cim({"diff", "new.cim"}).status, 2);
}

TEST_F(Diff, ExitsWith2IfAFileCannotBeRead) {
  chmod(path("src/changed").c_str(), 0);
  const Result result = cim_as_nobody({"diff", "new.cim", "src"});
  EXPECT_EQ(result.status, 2);
  EXPECT_EQ(result.err, "cim: src/changed: Permission denied\n");
}

}  // namespace
}  // namespace cim::cli
