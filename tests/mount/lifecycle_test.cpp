// Mounting, unmounting, and what happens to an image meanwhile.
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <fstream>
#include <future>

#include <cim/error.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "fixture.h"
#include "image/file_descriptor.h"
#include "mount/mount.h"
#include "support/error_of.h"
#include "support/image_content.h"

namespace cim::test {
namespace {

using testing::ElementsAre;

class LifecycleTest : public MountTest {
 protected:
  // Makes the image `name` with one file of `content`.
  void make_image(const std::string& name = "a.cim", std::string_view content = "content") {
    Writer writer(fresh(name));
    put(writer, u"file", content);
    writer.commit();
  }

  // The image mounted at `mount_point` according to the kernel's table; "" for none.
  static std::string mounted_at(const std::string& mount_point) {
    for (const MountedImage& mount : mounted_images()) {
      if (mount.mount_point == mount_point) return mount.image;
    }
    return "";
  }
};

TEST_F(LifecycleTest, TheMountAnswersAsSoonAsTheCommandReturns) {
  make_image();
  const std::string mount_point = make_directory();
  const ProgramResult result = run_daemon({image_path(), mount_point});
  EXPECT_EQ(0, result.exit_status);
  EXPECT_EQ("", result.message);
  EXPECT_EQ("content", read_file(mount_point + "/file"));
}

TEST_F(LifecycleTest, TheMountTableShowsTheImageWhateverItsName) {
  const std::string name = "a name, with\\blanks\nand more.cim";
  make_image(name);
  const std::string mount_point = mount(name);
  EXPECT_EQ(image_path(name), mounted_at(mount_point));
}

TEST_F(LifecycleTest, RelativePathsAreThoseOfTheCaller) {
  make_image();
  const std::string mount_point = make_directory();
  const auto original = boost::filesystem::current_path();
  boost::filesystem::current_path(boost::filesystem::path(image_path()).parent_path());
  const ProgramResult result =
      run_daemon({"a.cim", boost::filesystem::relative(mount_point).string()});
  boost::filesystem::current_path(original);
  EXPECT_EQ("", result.message);
  EXPECT_EQ(image_path(), mounted_at(mount_point));
  EXPECT_EQ("content", read_file(mount_point + "/file"));
}

TEST_F(LifecycleTest, UnmountingEndsTheMount) {
  make_image();
  const std::string mount_point = mount();
  unmount_image(mount_point);
  EXPECT_FALSE(is_mounted(mount_point));
  EXPECT_THAT(list_directory(mount_point), testing::IsEmpty());
}

TEST_F(LifecycleTest, OnlyImagesAreUnmounted) {
  try {
    unmount_image(make_directory());
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(Errc::file_not_found, error.code());
  }
}

TEST_F(LifecycleTest, BusyMountsStay) {
  make_image();
  const std::string mount_point = mount();
  const std::ifstream user(mount_point + "/file");
  try {
    unmount_image(mount_point);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(Errc::sharing_violation, error.code());
  }
  EXPECT_TRUE(is_mounted(mount_point));
}

class SignalTest : public LifecycleTest, public testing::WithParamInterface<int> {};

TEST_P(SignalTest, UnmountsAndEndsWell) {
  std::signal(GetParam(), SIG_DFL);  // under nohup(1) the daemon would rightly ignore it
  make_image();
  const std::string mount_point = make_directory();
  ForegroundDaemon daemon(image_path(), mount_point);
  EXPECT_EQ("content", read_file(mount_point + "/file"));
  daemon.signal(GetParam());
  EXPECT_EQ(0, daemon.wait());
  EXPECT_FALSE(is_mounted(mount_point));
}

INSTANTIATE_TEST_SUITE_P(, SignalTest, testing::Values(SIGINT, SIGTERM, SIGHUP));

TEST_F(LifecycleTest, TheDaemonEndsWellWhenUnmountedByOthers) {
  make_image();
  const std::string mount_point = make_directory();
  ForegroundDaemon daemon(image_path(), mount_point);
  unmount_image(mount_point);
  EXPECT_EQ(0, daemon.wait());
}

// Often enough to meet the daemon at everything that it does on its mount point before it serves.
TEST_F(LifecycleTest, TheMountCanBeUnmountedAsSoonAsItIsThere) {
  make_image();
  const std::string mount_point = make_directory();
  for (int round = 0; round < 30; ++round) {
    std::atomic<bool> failed = false;
    auto unmounted = std::async(std::launch::async, [&] {
      while (!is_mounted(mount_point) && !failed) {
      }
      unmount_image(mount_point);
    });
    failed = run_daemon({image_path(), mount_point}).exit_status != 0;
    EXPECT_FALSE(failed) << round;
    EXPECT_NO_THROW(unmounted.get()) << round;
    if (is_mounted(mount_point)) unmount_image(mount_point);
  }
}

TEST_F(LifecycleTest, AMountedImageCannotBeExtended) {
  make_image();
  const std::string mount_point = mount();
  EXPECT_EQ(Errc::sharing_violation, test::error_of([&] { const Writer writer(extending()); }));
  EXPECT_EQ("content", read_file(mount_point + "/file"));
}

TEST_F(LifecycleTest, AnImageMountedMeanwhileCannotBeExtended) {
  make_image();
  Writer writer(extending());
  put(writer, u"file", "new content");
  const std::string mount_point = mount();
  EXPECT_EQ(Errc::sharing_violation, test::error_of([&] { writer.commit(); }));
  EXPECT_EQ("content", read_file(mount_point + "/file"));
}

TEST_F(LifecycleTest, AnImageCanBeExtendedOnceUnmounted) {
  make_image();
  unmount_image(mount());
  {
    Writer writer(extending());
    put(writer, u"file", "new content");
    writer.commit();
  }
  const std::string mount_point = make_directory("again");
  mount_image(image_path(), mount_point, {});
  EXPECT_EQ("new content", read_file(mount_point + "/file"));
}

TEST_F(LifecycleTest, AForkAndItsParentAreMountedSideBySide) {
  make_image("parent.cim");
  const std::string parent = mount("parent.cim");
  {
    Writer writer(forking("parent.cim", "child.cim"));
    put(writer, u"file", "changed");
    put(writer, u"added", "new");
    writer.commit();
  }
  const std::string child = mount("child.cim");
  EXPECT_EQ("changed", read_file(child + "/file"));
  EXPECT_THAT(list_directory(child), ElementsAre("added", "file"));
  EXPECT_EQ("content", read_file(parent + "/file"));
  EXPECT_THAT(list_directory(parent), ElementsAre("file"));
}

TEST_F(LifecycleTest, OneImageIsMountedTwice) {
  make_image();
  const std::string first = mount();
  const std::string second = make_directory("second");
  mount_image(image_path(), second, {});
  unmount_image(first);
  EXPECT_EQ("content", read_file(second + "/file"));
}

TEST_F(LifecycleTest, TheMountOutlivesTheImagesNames) {
  make_image();
  const std::string mount_point = mount();
  boost::filesystem::remove_all(boost::filesystem::path(image_path()).parent_path());
  EXPECT_EQ("content", read_file(mount_point + "/file"));
}

// Images mounted with `timeout=1`, which last one to two seconds after their last use.
class IdleTest : public LifecycleTest {
 protected:
  void SetUp() override {
    LifecycleTest::SetUp();
    if (IsSkipped()) return;
    make_image();
    make_image("other.cim");
  }

  std::string mount_in(const std::string& directory) const {
    const std::string mount_point = make_directory(directory);
    mount_image(image_path(), mount_point, {"timeout=1"});
    return mount_point;
  }

  // Returns when a mount that is idle now is gone. Calls `meanwhile` again and again.
  template <typename Action>
  void outlast(Action&& meanwhile) {
    const std::string other = make_directory("other");
    for (int round = 0; round < 2; ++round) {
      mount_image(image_path("other.cim"), other, {"timeout=1"});
      EXPECT_TRUE(wait_until([&] {
        meanwhile();
        return !is_mounted(other);
      }));
    }
  }
  void outlast() {
    outlast([] {});
  }

  static void expect_end(const std::string& mount_point) {
    EXPECT_TRUE(wait_until([&] { return !is_mounted(mount_point); }));
  }
};

TEST_F(IdleTest, AnIdleMountEnds) {
  const std::string without_timeout = mount("other.cim", {"timeout=0"});
  for (const char* sandbox : {"", ",sandbox=no"}) {
    const std::string mount_point = make_directory(std::string("mount") + sandbox);
    ForegroundDaemon daemon(image_path(), mount_point, {"-o", std::string("timeout=1") + sandbox});
    EXPECT_EQ(0, daemon.wait());
    EXPECT_FALSE(is_mounted(mount_point));
  }
  EXPECT_TRUE(is_mounted(without_timeout));
  Writer writer(extending());
  put(writer, u"file", "new content");
  EXPECT_NO_THROW(writer.commit());
}

TEST_F(IdleTest, AMountInUseStays) {
  const std::string with_file = mount_in("with-file");
  const std::string with_process = mount_in("with-process");
  const auto before = boost::filesystem::current_path();
  boost::filesystem::current_path(with_process);
  {
    const FileDescriptor file(open((with_file + "/file").c_str(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(file);
    outlast();
    EXPECT_TRUE(is_mounted(with_file));
    EXPECT_TRUE(is_mounted(with_process));
  }
  boost::filesystem::current_path(before);
  expect_end(with_file);
  expect_end(with_process);
}

// The kernel knows the answers, and would give them without the daemon.
TEST_F(IdleTest, AMountWhoseFilesAreLookedAtStays) {
  using Clock = std::chrono::steady_clock;
  struct Use {
    std::string mount_point;
    std::string path;
    Clock::time_point last = Clock::now();
  };
  std::vector<Use> uses = {
      {mount_in("of-file"), "/file"}, {mount_in("of-none"), "/none"}, {mount_in("of-root"), ""}};
  outlast([&] {
    for (Use& use : uses) {
      const Clock::time_point now = Clock::now();
      struct stat status = {};
      stat((use.mount_point + use.path).c_str(), &status);
      if (is_mounted(use.mount_point)) {
        use.last = now;
      } else {  // only if the machine is too busy for this test
        EXPECT_GE(Clock::now() - use.last, std::chrono::seconds(1)) << use.path;
      }
    }
  });
  for (const Use& use : uses) expect_end(use.mount_point);
}

TEST_F(IdleTest, WhatIsMountedOverAMountStays) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can mount over a FUSE file system";
  const std::string mount_point = mount_in("mount");
  mount_image(image_path("other.cim"), mount_point, {"nonempty"});
  outlast();
  EXPECT_EQ(image_path("other.cim"), mounted_image_at(mount_point)->image);
  unmount_image(mount_point);
  expect_end(mount_point);
}

TEST_F(LifecycleTest, TheMountHelperTakesWhatMountPasses) {
  make_image();
  const std::string mount_point = make_directory();
  const ProgramResult result =
      run_daemon({image_path(), mount_point, "-n", "-v", "-o",
                  "rw,noexec,nofail,_netdev,x-systemd.automount,uid=5", "-t", "cimfs"},
                 "mount.cimfs");
  EXPECT_EQ("", result.message);
  EXPECT_EQ(0, result.exit_status);
  EXPECT_EQ(5, status_of(mount_point + "/file").st_uid);
}

// sd_notify(3), with a socket of either kind.
class NotificationTest : public LifecycleTest, public testing::WithParamInterface<bool> {};

TEST_P(NotificationTest, TheServiceManagerIsToldOnceTheImageIsMounted) {
  make_image();
  const std::string mount_point = make_directory();
  const bool abstract = GetParam();
  const std::string path = image_path("notify");
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path + (abstract ? 1 : 0), path.size());
  const auto size =
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size() + (abstract ? 1 : 0));
  const FileDescriptor manager(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ASSERT_EQ(0, bind(manager.get(), reinterpret_cast<const sockaddr*>(&address), size));
  setenv("NOTIFY_SOCKET", ((abstract ? "@" : "") + path).c_str(), 1);
  const ForegroundDaemon daemon(image_path(), mount_point);
  unsetenv("NOTIFY_SOCKET");
  char message[64] = "";
  EXPECT_TRUE(wait_until(
      [&] { return recv(manager.get(), message, sizeof(message) - 1, MSG_DONTWAIT) > 0; }));
  EXPECT_STREQ("READY=1", message);
  EXPECT_EQ("content", read_file(mount_point + "/file"));
}

INSTANTIATE_TEST_SUITE_P(Sockets, NotificationTest, testing::Bool());

TEST_F(LifecycleTest, TheMountHelpersFakeModeChecksAndDoesNotMount) {
  make_image();
  const std::string mount_point = make_directory();
  EXPECT_EQ(0, run_daemon({image_path(), mount_point, "-f"}, "mount.cimfs").exit_status);
  EXPECT_FALSE(is_mounted(mount_point));
  EXPECT_EQ(32, run_daemon({image_path("b.cim"), mount_point, "-f"}, "mount.cimfs").exit_status);
}

// mount(8) looks for helpers only in /sbin, so this puts ours there, in its own mount namespace.
TEST_F(LifecycleTest, MountAndFstabFindTheHelper) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can make a mount namespace with another /sbin";
  make_image();
  const std::string mount_point = make_directory();
  const std::string fstab = image_path("fstab");
  std::ofstream(fstab) << fmt::format("{} {} cimfs defaults,noauto 0 0\n", image_path(),
                                      mount_point);
  const std::string in_namespace = R"sh(
      sbin=$(realpath /sbin)
      mount -t overlay overlay -o lowerdir="$1:$sbin" "$sbin" || exit 77
      set -e
      mount -t cimfs "$2" "$3" -o nosuid
      test "$(cat "$3/file")" = content
      mount "$3" -o remount,noexec
      findmnt -n -O noexec,nosuid "$3" >/dev/null
      umount "$3"
      mount -T "$4" "$3"
      test "$(cat "$3/file")" = content
      mount -T "$4" "$3" -o remount,noexec
      findmnt -n -O noexec "$3" >/dev/null
      umount "$3")sh";
  const std::vector<std::string> command = {
      "unshare",          "-m",         "sh",        "-c", in_namespace, "sh",
      daemon_directory(), image_path(), mount_point, fstab};
  const ProgramResult result = run_program(command).value();
  if (result.exit_status == 77) GTEST_SKIP() << result.message;
  EXPECT_EQ(0, result.exit_status) << result.message;
}

}  // namespace
}  // namespace cim::test
