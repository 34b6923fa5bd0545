// What cim does when mapped parts of an image vanish.
#include <array>
#include <csignal>
#include <cstdio>

#include <boost/filesystem.hpp>
#include <cim/image.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <sys/wait.h>

#include "cli_test.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;

class MappingFault : public CliTest {
 protected:
  std::string metadata_region() const {
    const Image image(path("app.cim"));
    for (const RegionSetInfo& set : image.region_sets()) {
      for (const RegionInfo& region : set.regions) {
        if (region.type == RegionType::metadata) return region.path;
      }
    }
    return "";
  }

  // Starts cim with `arguments` at the other end of a pipe; pclose() waits for it.
  FILE* start(const std::string& arguments, const char* mode) const {
    const std::string command =
        fmt::format("cd {} && exec \"$CIM\" {} 2>messages", directory(), arguments);
    return popen(command.c_str(), mode);
  }

  // Expects that cim, which ended with `status`, failed with one line that says `file` cannot be
  // read.
  void expect_one_line(int status, const std::string& file) const {
    EXPECT_TRUE(WIFEXITED(status));
    EXPECT_EQ(WEXITSTATUS(status), 1);
    const std::string messages = read("messages");
    EXPECT_THAT(messages, testing::MatchesRegex(
                              "cim: [^\n]*" + file +
                              "[^\n]*: cannot be read any more: it has become shorter, or its "
                              "disk fails\n"));
  }
};

TEST_F(MappingFault, MetadataThatBecomesShorterMeanwhileIsOneLine) {
  // Far more than a pipe holds, so cim is still at work when its first byte is read.
  for (int i = 0; i < 2000; ++i) write(fmt::format("src/file{}", i), std::string(1000, 'x'));
  succeed({"create", "app.cim", "src"});
  const std::string metadata = metadata_region();
  FILE* output = start("export app.cim", "re");
  ASSERT_NE(output, nullptr);
  EXPECT_NE(std::fgetc(output), EOF);
  fs::resize_file(metadata, 0);
  std::array<char, 65536> rest;
  while (std::fread(rest.data(), 1, rest.size(), output) > 0) {
  }
  expect_one_line(pclose(output), fs::path(metadata).filename().string());
}

// The ids are looked up at the end of the archive.
TEST_F(MappingFault, ObjectIdsOfABaseThatBecomeShorterMeanwhileAreOneLine) {
  write("src/file", std::string(1 << 20, 'x'));
  succeed({"create", "app.cim", "src"});
  const std::string archive = succeed({"export", "app.cim"});
  const std::set<std::string> before = files();
  FILE* input = start("create fork.cim --from app.cim --tar -", "we");
  ASSERT_NE(input, nullptr);
  // Far more than a pipe holds, so cim is at work by the time all is written.
  const std::size_t half = archive.size() / 2;
  EXPECT_EQ(std::fwrite(archive.data(), 1, half, input), half);
  EXPECT_EQ(std::fflush(input), 0);
  for (const std::string& name : before) {
    if (name.starts_with("objectid_")) fs::resize_file(path(name), 0);
  }
  const auto before_writing = std::signal(SIGPIPE, SIG_IGN);  // cim need not read to the end
  std::fwrite(archive.data() + half, 1, archive.size() - half, input);
  expect_one_line(pclose(input), "objectid_");
  std::signal(SIGPIPE, before_writing);
  std::set<std::string> after = files();
  after.erase("messages");
  EXPECT_EQ(after, before);
}

}  // namespace
}  // namespace cim::cli
