// What cim does when the metadata of an image goes away under it.
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include <boost/filesystem.hpp>
#include <cim/image.h>
#include <fmt/format.h>
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
};

TEST_F(MappingFault, MetadataThatBecomesShorterMeanwhileIsOneLine) {
  // Far more than a pipe holds, so that cim is still at work when its first byte is read.
  for (int i = 0; i < 2000; ++i) write(fmt::format("src/file{}", i), std::string(1000, 'x'));
  succeed({"create", "app.cim", "src"});
  const std::string metadata = metadata_region();
  const std::string command =
      fmt::format("cd {} && exec {} export app.cim 2>messages", directory(), std::getenv("CIM"));
  FILE* output = popen(command.c_str(), "re");
  ASSERT_NE(output, nullptr);
  EXPECT_NE(std::fgetc(output), EOF);
  fs::resize_file(metadata, 0);
  std::array<char, 65536> rest;
  while (std::fread(rest.data(), 1, rest.size(), output) > 0) {
  }
  const int status = pclose(output);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 1);
  const std::string messages = read("messages");
  EXPECT_EQ(std::count(messages.begin(), messages.end(), '\n'), 1) << messages;
  EXPECT_TRUE(messages.starts_with("cim: ")) << messages;
  const std::string reason =
      ": cannot be read any more: it has become shorter, or its disk fails\n";
  EXPECT_TRUE(messages.ends_with(fs::path(metadata).filename().string() + reason)) << messages;
}

}  // namespace
}  // namespace cim::cli
