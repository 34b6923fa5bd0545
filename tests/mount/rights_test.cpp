// What a mount and its daemon may do.
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <optional>

#include <cim/image.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"
#include "image/file_descriptor.h"
#include "mount/mount.h"
#include "support/copied_file.h"
#include "support/environment.h"
#include "support/error_of.h"
#include "support/image_content.h"
#include "transfer/extract.h"

namespace cim::test {
namespace {

namespace fs = boost::filesystem;
using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

constexpr uid_t nobody = 65534;

class RightsTest : public MountTest {
 protected:
  void SetUp() override {
    MountTest::SetUp();
    if (IsSkipped()) return;
    Writer writer(fresh());
    put(writer, u"file", "content");
    writer.commit();
  }
};

// The field `name` of /proc/PID/status for each thread of the process.
std::vector<std::string> status_of_threads(pid_t pid, const std::string& name) {
  std::vector<std::string> values;
  for (const std::string& thread : list_directory(fmt::format("/proc/{}/task", pid))) {
    std::ifstream status(fmt::format("/proc/{}/task/{}/status", pid, thread));
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with(name + ":\t")) values.push_back(line.substr(name.size() + 2));
    }
  }
  return values;
}

unsigned long flags_of(const std::string& mount_point) {
  struct statvfs status = {};
  EXPECT_EQ(0, statvfs(mount_point.c_str(), &status));
  return status.f_flag;
}

// 0 if it works.
int errno_of_opening(const std::string& path) {
  const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  return fd ? 0 : errno;
}

// The options of the file system mounted at `mount_point`, from /proc/self/mountinfo.
std::string options_of(const std::string& mount_point) {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    if (line.find(" " + mount_point + " ") != std::string::npos) {
      return line.substr(line.rfind(' ') + 1);
    }
  }
  return "";
}

// Gives the calling process a /dev/fuse that everybody may open, as udev(7) makes it.
bool open_fuse_to_all(const std::string& directory) {
  constexpr mode_t everybody = 0666;
  const struct stat device = status_of("/dev/fuse");
  if ((device.st_mode & everybody) == everybody) return true;
  const std::string own = directory + "/fuse";
  return unshare(CLONE_NEWNS) == 0 &&
         ::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mknod(own.c_str(), S_IFCHR | everybody, device.st_rdev) == 0 &&
         chmod(own.c_str(), everybody) == 0 &&
         ::mount(own.c_str(), "/dev/fuse", nullptr, MS_BIND, nullptr) == 0;
}

// Runs `action` as an ordinary user in another process. Its failures are failures of the test.
template <typename Action>
void as_nobody(const std::string& home, Action&& action) {
  const pid_t child = fork();
  if (child == 0) {
    if (!open_fuse_to_all(home)) _exit(2);
    if (setgroups(0, nullptr) != 0 || setgid(nobody) != 0 || setuid(nobody) != 0) _exit(2);
    try {
      action();
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
    }
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = -1;
  ASSERT_EQ(child, waitpid(child, &status, 0));
  EXPECT_EQ(0, status);
}

struct Silent : transfer::Progress {
  void advance(const transfer::Amount&) override {}
  void warn(const std::string& message) override { ADD_FAILURE() << message; }
};

TEST_F(RightsTest, MountsHonourNoSetUserIdBitsAndNoDevices) {
  EXPECT_EQ(ST_NOSUID | ST_NODEV, flags_of(mount()) & (ST_NOSUID | ST_NODEV));
}

TEST_F(RightsTest, RootMayAskForSetUserIdBitsAndDevices) {
  if (geteuid() != 0) GTEST_SKIP() << "not root";
  EXPECT_EQ(0, flags_of(mount("a.cim", {"suid", "dev"})) & (ST_NOSUID | ST_NODEV));
}

TEST_F(RightsTest, RootMayForbidToFollowLinks) {
  if (geteuid() != 0) GTEST_SKIP() << "not root";
  const auto link_in = [&](const std::string& name, const std::vector<std::string>& options) {
    Writer writer(fresh(name));
    put_linux(writer, u"link", S_IFLNK | 0777, "/dev/null");
    writer.commit();
    return mount(name, options) + "/link";
  };
  EXPECT_EQ(0, errno_of_opening(link_in("followed.cim", {})));
  EXPECT_EQ(ELOOP, errno_of_opening(link_in("not-followed.cim", {"nosymfollow"})));
}

class RemountTest : public RightsTest {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "not root";
    RightsTest::SetUp();
  }

  static constexpr unsigned long flags = ST_RDONLY | ST_NOSUID | ST_NODEV | ST_NOEXEC;
};

TEST_F(RemountTest, ChangesTheFlagsThatAreGiven) {
  const std::string mount_point = mount("a.cim", {"dev"});
  mount_image(image_path(), mount_point, {"remount,noexec"});
  EXPECT_EQ(ST_RDONLY | ST_NOSUID | ST_NOEXEC, flags_of(mount_point) & flags);
  mount_image(image_path(), mount_point, {"remount", "exec,suid", "nodev,suid"});
  EXPECT_EQ(ST_RDONLY | ST_NODEV, flags_of(mount_point) & flags);
  EXPECT_EQ("content", read_file(mount_point + "/file"));
}

TEST_F(RemountTest, ChangesNothingElse) {
  const std::string mount_point = mount("a.cim", {"uid=5"});
  mount_image(image_path(), mount_point, {"remount,rw,uid=6"});
  EXPECT_EQ(ST_RDONLY | ST_NOSUID | ST_NODEV, flags_of(mount_point) & flags);
  EXPECT_EQ(5, status_of(mount_point + "/file").st_uid);
  unmount_image(mount_point);
  EXPECT_FALSE(is_mounted(mount_point));
}

TEST_F(RemountTest, TakesTheImageByWhateverName) {
  const std::string mount_point = mount();
  const fs::path before = fs::current_path();
  fs::current_path(fs::path(image_path()).parent_path());
  mount_image("a.cim", mount_point, {"remount,noexec"});
  fs::current_path(before);
  EXPECT_NE(0, flags_of(mount_point) & ST_NOEXEC);

  fs::remove_all(fs::path(image_path()).parent_path());
  mount_image(image_path(), mount_point, {"remount,exec"});
  EXPECT_EQ(0, flags_of(mount_point) & ST_NOEXEC);
}

TEST_F(RemountTest, NeedsAMountOfTheImage) {
  const std::string mount_point = make_directory();
  const std::string complaint = mount_point + ": " + image_path() + " is not mounted here";
  for (const char* mode : {"-n", "-f"}) {
    const ProgramResult result =
        run_daemon({image_path(), mount_point, mode, "-o", "remount"}, "mount.cimfs");
    EXPECT_EQ(32, result.exit_status);
    EXPECT_THAT(result.message, testing::EndsWith(complaint));
  }
}

TEST_F(RemountTest, ChangesNothingInFakeMode) {
  const std::string mount_point = mount();
  EXPECT_EQ(0, run_daemon({image_path(), mount_point, "-f", "-o", "remount,noexec"}, "mount.cimfs")
                   .exit_status);
  EXPECT_EQ(0, flags_of(mount_point) & ST_NOEXEC);
}

TEST_F(RightsTest, RootMayKeepOthersOut) {
  if (geteuid() != 0) GTEST_SKIP() << "only root lets others in by default";
  EXPECT_THAT(options_of(mount("a.cim", {"allow_root"})), Not(HasSubstr("allow_other")));
}

TEST_F(RightsTest, PermissionsAreCheckedWhoeverIsLetIn) {
  EXPECT_THAT(options_of(mount("a.cim", {"default_permissions"})),
              HasSubstr("default_permissions"));
  for (const char* option : {"nodefault_permissions", "no_default_permissions"}) {
    const std::string mount_point = make_directory(option);
    EXPECT_EQ(2, run_daemon({"-o", option, image_path(), mount_point}).exit_status);
  }
}

TEST_F(RightsTest, TheDaemonServesInASandbox) {
  if (!CIMFS_SANDBOX) GTEST_SKIP() << "a sanitizer would not work in it";
  const std::string mount_point = make_directory();
  ForegroundDaemon daemon(image_path(), mount_point);
  EXPECT_EQ("content", read_file(mount_point + "/file"));
  EXPECT_THAT(status_of_threads(daemon.pid(), "NoNewPrivs"), AllOf(Not(IsEmpty()), Each("1")));
  EXPECT_THAT(status_of_threads(daemon.pid(), "Seccomp"), AllOf(Not(IsEmpty()), Each("2")));
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    if (std::string_view(set) == "CapBnd" && geteuid() != 0) continue;  // only root can drop it
    EXPECT_THAT(status_of_threads(daemon.pid(), set),
                AllOf(Not(IsEmpty()), Each("0000000000000000")))
        << set;
  }
}

TEST_F(RightsTest, TheSandboxCanBeTurnedOff) {
  const std::string mount_point = make_directory();
  ForegroundDaemon daemon(image_path(), mount_point, {"-o", "sandbox=no"});
  EXPECT_EQ("content", read_file(mount_point + "/file"));
  EXPECT_THAT(status_of_threads(daemon.pid(), "NoNewPrivs"), Each("0"));
  daemon.signal(SIGTERM);
  EXPECT_EQ(0, daemon.wait());
  EXPECT_FALSE(is_mounted(mount_point));
}

TEST_F(RightsTest, WhatIsMountedOverAMountStays) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can mount over a FUSE file system";
  const std::string mount_point = make_directory();
  ForegroundDaemon covered(image_path(), mount_point);
  EXPECT_EQ("content", read_file(mount_point + "/file"));
  ASSERT_EQ(0, run_daemon({"-o", "nonempty", image_path(), mount_point}).exit_status);
  covered.signal(SIGTERM);
  EXPECT_EQ(0, covered.wait());
  EXPECT_EQ("content", read_file(mount_point + "/file"));
}

// A program that runs with another user's rights and whose caller chooses its $PATH.
class PrivilegedTest : public RightsTest {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "only root can give a program another owner";
    RightsTest::SetUp();
    if (IsSkipped()) return;
    copy_content(std::getenv("PRIVILEGED_MOUNT"), program());
    ASSERT_EQ(0, chown(program().c_str(), nobody, nobody));
    ASSERT_EQ(0, chmod(program().c_str(), 04755));
    for (const char* place : {"trusted", "untrusted"}) {
      const std::string daemon = home_ / place + "/cimfs";
      fs::create_directory(home_ / place);
      std::ofstream(daemon) << "#!/bin/sh\nenv >" << home_ / place << "-was-run\nexit 1\n";
      ASSERT_EQ(0, chmod(daemon.c_str(), 0755));
    }
    ASSERT_EQ(0, chmod(home_.string().c_str(), 0777));
  }

  // Runs the program, with "trusted" where installed programs are.
  ProgramResult run() const {
    const std::string script = "mount --bind " + home_ / "trusted" + " " CIMFS_BINDIR +
                               " && exec " + program() + " " + image_path() + " " + home_.string();
    return run_program({"env", "MINE=1", "PATH=" + home_ / "untrusted" + ":" + std::getenv("PATH"),
                        "unshare", "-m", "sh", "-c", script})
        .value();
  }

  // The file to which the daemon there, if run, writes its environment.
  std::string environment_in(const std::string& place) const {
    return home_ / (place + "-was-run");
  }

 private:
  std::string program() const { return home_ / "program"; }

  TemporaryDirectory home_;
};

TEST_F(PrivilegedTest, RunsNothingThatItsCallerChooses) {
  const ProgramResult result = run();
  if (result.exit_status == 77) GTEST_SKIP() << "set-user-id bits do not count here";
  EXPECT_EQ(1, result.exit_status);
  EXPECT_FALSE(fs::exists(environment_in("untrusted")));
  EXPECT_THAT(read_file(environment_in("trusted")),
              AllOf(HasSubstr("PATH=/usr/sbin:"), Not(HasSubstr("MINE"))));
}

// Acts as an ordinary user, with a directory of its own. Such a user may not be able to enter the
// build directory, which may be below root's home, so it has a daemon of its own too.
class OrdinaryUserTest : public RightsTest {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "only root can act as another user";
    copy_content(std::getenv("CIMFS_DAEMON"), own_daemon());
    ASSERT_EQ(0, chmod(own_daemon().c_str(), 0755));
    daemon_.emplace("CIMFS_DAEMON", own_daemon());
    path_.emplace("PATH", programs_.string() + ":" + std::getenv("PATH"));
    RightsTest::SetUp();
    if (IsSkipped()) return;
    ASSERT_EQ(0, chown(home().c_str(), nobody, nobody));
  }

  std::string home() const { return home_.string(); }

 private:
  std::string own_daemon() const { return programs_ / "cimfs"; }

  TemporaryDirectory home_;
  TemporaryDirectory programs_;
  std::optional<Environment> daemon_;
  std::optional<Environment> path_;
};

TEST_F(OrdinaryUserTest, CreatesMountsUnmountsAndExtracts) {
  as_nobody(home(), [&] {
    const std::string image = home() + "/own.cim";
    Writer writer({.directory = home(), .existing = {}, .name = "own.cim"});
    put_linux(writer, u"program", S_IFREG | 04755, "content");
    writer.commit();

    const std::string mount_point = home() + "/mount";
    boost::filesystem::create_directory(mount_point);
    mount_image(image, mount_point, {});
    EXPECT_EQ("content", read_file(mount_point + "/program"));
    EXPECT_EQ(ST_NOSUID | ST_NODEV, flags_of(mount_point) & (ST_NOSUID | ST_NODEV));
    unmount_image(mount_point);
    EXPECT_FALSE(is_mounted(mount_point));

    Silent progress;
    transfer::extract(Image(image), home() + "/copy", {}, progress);
    EXPECT_EQ("content", read_file(home() + "/copy/program"));
    EXPECT_EQ(nobody, status_of(home() + "/copy/program").st_uid);
  });
}

TEST_F(OrdinaryUserTest, TheDaemonUnmountsAtASignal) {
  as_nobody(home(), [&] {
    const std::string mount_point = home() + "/mount";
    boost::filesystem::create_directory(mount_point);
    ForegroundDaemon daemon(image_path(), mount_point);
    EXPECT_EQ("content", read_file(mount_point + "/file"));
    EXPECT_THAT(status_of_threads(daemon.pid(), "Seccomp"), Each(CIMFS_SANDBOX ? "2" : "0"));
    daemon.signal(SIGTERM);
    EXPECT_EQ(0, daemon.wait());
    EXPECT_FALSE(is_mounted(mount_point));
  });
}

TEST_F(OrdinaryUserTest, TheDaemonUnmountsWhenIdle) {
  as_nobody(home(), [&] {
    const std::string mount_point = home() + "/mount";
    boost::filesystem::create_directory(mount_point);
    ForegroundDaemon daemon(image_path(), mount_point, {"-o", "timeout=1"});
    const std::string other = home() + "/other";
    boost::filesystem::create_directory(other);
    {
      const std::ifstream user(mount_point + "/file");
      for (int round = 0; round < 2; ++round) {
        EXPECT_EQ(0, ForegroundDaemon(image_path(), other, {"-o", "timeout=1"}).wait());
      }
      EXPECT_TRUE(is_mounted(mount_point));
    }
    EXPECT_EQ(0, daemon.wait());
    EXPECT_FALSE(is_mounted(mount_point));
  });
}

TEST_F(OrdinaryUserTest, MountsAndUnmountsWhateverBecomesOfChildren) {
  as_nobody(home(), [&] {
    std::signal(SIGCHLD, SIG_IGN);
    const std::string mount_point = home() + "/mount";
    fs::create_directory(mount_point);
    mount_image(image_path(), mount_point, {});
    EXPECT_EQ("content", read_file(mount_point + "/file"));
    {
      const std::ifstream user(mount_point + "/file");
      EXPECT_EQ(Errc::sharing_violation, error_of([&] { unmount_image(mount_point); }));
    }
    unmount_image(mount_point);
    EXPECT_FALSE(is_mounted(mount_point));
  });
}

// What fusermount3 says comes once, without its name, and on the line of cimfs.
TEST_F(OrdinaryUserTest, IsToldOnceWhatTheHelperRefuses) {
  if (read_file("/etc/fuse.conf").find("\nuser_allow_other") != std::string::npos) {
    GTEST_SKIP() << "/etc/fuse.conf lets users let others in";
  }
  as_nobody(home(), [&] {
    const std::string mount_point = home() + "/mount";
    fs::create_directory(mount_point);
    const ProgramResult result = run_daemon({"-o", "allow_other", image_path(), mount_point});
    EXPECT_EQ(result.message, image_path() + ": cannot be mounted on " + mount_point +
                                  ": option allow_other only allowed if 'user_allow_other' is set "
                                  "in /etc/fuse.conf");
  });
}

TEST_F(OrdinaryUserTest, MayNotUnmountWhatRootHasMounted) {
  const std::string mount_point = mount();
  as_nobody(home(), [&] {
    EXPECT_EQ(mount_point + ": another user has mounted it, who can unmount it, or root",
              message_of([&] { unmount_image(mount_point); }));
  });
}

TEST_F(OrdinaryUserTest, MayUnmountLazily) {
  as_nobody(home(), [&] {
    const std::string mount_point = home() + "/mount";
    fs::create_directory(mount_point);
    mount_image(image_path(), mount_point, {});
    const std::ifstream user(mount_point + "/file");
    EXPECT_EQ(mount_point + ": Device or resource busy",
              message_of([&] { unmount_image(mount_point); }));
    unmount_image(mount_point, true);
    EXPECT_FALSE(is_mounted(mount_point));
  });
}

TEST_F(OrdinaryUserTest, MayNotUseWhatIsForRoot) {
  as_nobody(home(), [&] {
    for (const char* option :
         {"suid", "dev", "allow_root", "nosymfollow", "remount", "context=u:r:t:s0"}) {
      const ProgramResult result = run_daemon({"-o", option, image_path(), home()});
      EXPECT_EQ(2, result.exit_status);
      EXPECT_THAT(result.message, AllOf(HasSubstr(option), HasSubstr("only root")));
    }
  });
}

}  // namespace
}  // namespace cim::test
