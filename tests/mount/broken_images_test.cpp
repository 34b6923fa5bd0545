// Images with a broken field: the daemon refuses to mount them, or serves what it can.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/statvfs.h>
#include <sysexits.h>

#include "fixture.h"
#include "image/corruption.h"
#include "mount/mount.h"

namespace cim::test {
namespace {

using testing::HasSubstr;
using testing::Not;

class BrokenImagesTest : public MountTest, public testing::WithParamInterface<BreakableImage> {
 protected:
  void SetUp() override {
    MountTest::SetUp();
    if (IsSkipped()) return;
    GetParam().make(fresh().directory);
  }

  // Has ordinary tools look at everything. Their errors do not matter, as long as they end and the
  // daemon still answers.
  static void look_at_everything(const std::string& mount_point) {
    // A broken file may claim 2^48 bytes, which are too many zeros for cat(1).
    const std::string tools =
        "find . -ls >/dev/null;"
        "getfattr --recursive --physical --dump --match=- . >/dev/null;"
        "find . -type f -exec head --quiet --bytes=1M {} + >/dev/null;"
        "exit 0";
    const ProgramResult result =
        run_program({"prlimit", "--cpu=60", "env", "--chdir=" + mount_point, "sh", "-c", tools})
            .value();
    EXPECT_EQ(0, result.exit_status) << result.message;
    EXPECT_THAT(result.message, Not(HasSubstr("not connected")));
    struct statvfs status;
    EXPECT_EQ(0, statvfs(mount_point.c_str(), &status)) << "the daemon does not answer";
  }

  void mount_and_look() const {
    const ProgramResult result = run_daemon({image_path(), mount_point_});
    if (result.exit_status == 0) {
      look_at_everything(mount_point_);
      unmount_image(mount_point_);
    } else {
      EXPECT_THAT(result.exit_status,
                  testing::AnyOf(EX_DATAERR, EX_NOINPUT, EX_UNAVAILABLE, EX_CONFIG));
      EXPECT_THAT(result.message, HasSubstr(image_path()));
    }
    EXPECT_FALSE(is_mounted(mount_point_));
  }

  const std::string mount_point_ = make_directory();
};

INSTANTIATE_TEST_SUITE_P(, BrokenImagesTest, testing::ValuesIn(breakable_images),
                         [](const auto& test) { return test.param.name; });

TEST_P(BrokenImagesTest, AreRefusedOrServed) {
  EXPECT_GT(try_corruptions(image_path(), 41 * GetParam().step,
                            [&](const Corruption&) { mount_and_look(); }),
            0);
}

}  // namespace
}  // namespace cim::test
