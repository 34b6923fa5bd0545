// The cim command on images with a broken field: each command succeeds, or fails with a message.
#include <algorithm>
#include <sstream>

#include <boost/filesystem.hpp>

#include "cli_test.h"
#include "image/corruption.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;

class BrokenImages : public CliTest, public testing::WithParamInterface<test::BreakableImage> {
 protected:
  BrokenImages() {
    GetParam().make(directory());
    write("src/again", std::string(20000, 'x'));
  }

  void try_command(const std::vector<std::string>& arguments,
                   const std::vector<int>& statuses = {0, 1}) const {
    const Result result = cim(arguments);
    EXPECT_EQ(std::ranges::count(statuses, result.status), 1)
        << arguments[0] << ": " << result.status << ": " << result.err;
    EXPECT_TRUE(result.status == 0 || !result.err.empty() || !result.out.empty()) << arguments[0];
    std::istringstream lines(result.err);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_TRUE(line.starts_with("cim: ")) << arguments[0] << ": " << line;
    }
  }
};

INSTANTIATE_TEST_SUITE_P(, BrokenImages, testing::ValuesIn(test::breakable_images),
                         [](const auto& test) { return test.param.name; });

TEST_P(BrokenImages, EveryCommandEndsInAnAnswerOrAMessage) {
  const std::set<std::string> good = files();
  const int tried =
      test::try_corruptions(path("a.cim"), 61 * GetParam().step, [&](const test::Corruption&) {
        try_command({"check", "--data", "a.cim"}, {0, 4, 8});
        try_command({"info", "a.cim"});
        try_command({"ls", "-lR", "a.cim"});
        try_command({"cat", "a.cim", "executable"});
        try_command({"diff", "a.cim", "a.cim"}, {0, 1, 2});
        try_command({"export", "a.cim"});
        try_command({"extract", "a.cim", "out"});
        fs::remove_all(path("out"));
        try_command({"create", "b.cim", "src", "--from", "a.cim"});
        for (const std::string& name : files()) {
          if (!good.contains(name)) fs::remove(path(name));
        }
      });
  EXPECT_GT(tried, 0);
  EXPECT_EQ(cim({"check", "--data", "a.cim"}).status, 0);
}

}  // namespace
}  // namespace cim::cli
