// cim mount and umount.
#include <boost/filesystem.hpp>

#include "cli_test.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;

using MountCommand = CliTest;

TEST_F(MountCommand, MountsAndUnmounts) {
  if (!can_mount()) GTEST_SKIP() << "/dev/fuse cannot be used";
  write("src/d/file", "x");
  succeed({"create", "app.cim", "src"});
  fs::create_directory(path("mnt"));
  succeed({"mount", "app.cim", "mnt"});
  EXPECT_EQ(read("mnt/d/file"), "x");
  succeed({"umount", "mnt"});
  EXPECT_TRUE(fs::is_empty(path("mnt")));
}

TEST_F(MountCommand, NamesAMissingImageAndAMissingMountPoint) {
  fs::create_directory(path("mnt"));
  EXPECT_TRUE(fail({"mount", "no.cim", "mnt"}).starts_with("cim: no.cim: "));
  succeed({"create", "app.cim"});
  const std::string message = fail({"mount", "app.cim", "missing"});
  EXPECT_TRUE(message.starts_with("cim: app.cim: ")) << message;
  EXPECT_NE(message.find("missing"), std::string::npos) << message;
}

TEST_F(MountCommand, NamesADirectoryThatIsNoMount) {
  fs::create_directory(path("mnt"));
  const std::string message = fail({"umount", "mnt"});
  EXPECT_TRUE(message.starts_with("cim: mnt: ")) << message;
}

}  // namespace
}  // namespace cim::cli
