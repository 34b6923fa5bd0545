// Programs started without standard streams, or with some that cannot be written.
#include <array>
#include <cstdlib>

#include <boost/filesystem.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "cli_test.h"
#include "image/file_descriptor.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;

// All programs, under all their names, in directory().
class Programs : public CliTest {
 protected:
  Programs() {
    for (const char* name : {"cim", "fsck.cimfs"}) link("$CIM", name);
    for (const char* name : {"cimfs", "mount.cimfs"}) link("$(command -v cimfs)", name);
    fs::create_directory(path("mnt"));
    // An image cannot hold this file's time exactly, which --verbose tells.
    write("src/file", "content");
    const std::array<timespec, 2> odd_times = {timespec{1, 50}, timespec{1, 50}};
    utimensat(AT_FDCWD, path("src/file").c_str(), odd_times.data(), 0);
  }

  // The exit status of a shell command in directory(); -1 if a signal ended it.
  int run(const std::string& command, const std::string& before = "") const {
    const std::string line = "cd " + directory() + " && " + before + "exec ./" + command;
    const int status = std::system(line.c_str());  // NOLINT(concurrency-mt-unsafe)
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  // Makes app.cim from src, makes it again and adds to it, each by `run`, which returns an exit
  // status.
  template <typename Run>
  void expect_to_build(const Run& run) const {
    for (const char* command : {"cim create -v app.cim src", "cim create -v app.cim src --force",
                                "cim add -v app.cim src/file more"}) {
      EXPECT_EQ(run(command), 0) << command;
      expect_image("app.cim");
    }
    EXPECT_EQ(cim({"cat", "app.cim", "more"}).out, "content");
  }

  void expect_image(const std::string& image) const {
    EXPECT_EQ(cim({"check", "--data", image}).status, 0);
    EXPECT_EQ(cim({"cat", image, "file"}).out, "content");
  }

 private:
  void link(const std::string& program, const std::string& name) const {
    const std::string line = "ln -s \"" + program + "\" " + path(name);
    EXPECT_EQ(std::system(line.c_str()), 0);  // NOLINT(concurrency-mt-unsafe)
  }
};

// The parameter has a bit for each closed descriptor.
class ClosedStreams : public Programs, public testing::WithParamInterface<int> {
 protected:
  static bool is_closed(int fd) { return (GetParam() >> fd & 1) != 0; }

  int run_without(const std::string& command) const {
    std::string line = command;
    if (is_closed(0)) line += " <&-";
    if (is_closed(1)) line += " >&-";
    if (is_closed(2)) line += " 2>&-";
    return run(line);
  }
};

TEST_P(ClosedStreams, DoNotMixMessagesWithFiles) {
  expect_to_build([this](const std::string& command) { return run_without(command); });
  EXPECT_EQ(run_without("cim export app.cim --tar app.tar"), 0);
  EXPECT_EQ(run_without("cim create tar.cim --tar app.tar"), 0);
  expect_image("tar.cim");
  EXPECT_EQ(run_without("cim extract app.cim out"), 0);
  EXPECT_EQ(read("out/more"), "content");
  EXPECT_EQ(run_without("cim gc ."), 0);
  expect_image("app.cim");
}

TEST_P(ClosedStreams, AreAnErrorToWhoeverNeedsThem) {
  ASSERT_EQ(run("cim create app.cim src"), 0);
  EXPECT_EQ(run_without("cim cat app.cim file"), is_closed(1) ? 1 : 0);
  EXPECT_EQ(run_without("cim export app.cim >out.tar"), is_closed(1) ? 1 : 0);
  ASSERT_EQ(run("cim export app.cim --tar app.tar"), 0);
  EXPECT_EQ(run_without("cim create tar.cim --tar - <app.tar"), is_closed(0) ? 1 : 0);
  EXPECT_EQ(run_without("fsck.cimfs app.cim"), is_closed(1) ? 8 : 0);
  EXPECT_EQ(run_without("cimfs --version"), is_closed(1) ? 1 : 0);
  expect_image("app.cim");
}

TEST_P(ClosedStreams, DoNotKeepImagesFromBeingMounted) {
  if (!can_mount()) GTEST_SKIP() << "/dev/fuse cannot be used";
  ASSERT_EQ(run("cim create app.cim src"), 0);
  for (const char* program : {"cimfs", "mount.cimfs", "cim mount"}) {
    EXPECT_EQ(run_without(std::string(program) + " app.cim mnt"), 0) << program;
    EXPECT_EQ(read("mnt/file"), "content") << program;
    EXPECT_EQ(run_without("cim umount mnt"), 0) << program;
    EXPECT_TRUE(fs::is_empty(path("mnt"))) << program;
  }
}

INSTANTIATE_TEST_SUITE_P(, ClosedStreams, testing::Range(1, 8));

// Places where messages get lost.
struct Loss {
  const char* name;
  const char* redirection;  // a `#` stands for the descriptor of a pipe that nobody reads
  const char* before = "";  // another shell command
};

class LostMessages : public Programs, public testing::WithParamInterface<Loss> {
 protected:
  LostMessages() {
    std::array<int, 2> ends;
    EXPECT_EQ(pipe(ends.data()), 0);
    close(ends[0]);
    dead_pipe_ = FileDescriptor(ends[1]);
  }

  int run_unheard(const std::string& command) const {
    std::string redirection = GetParam().redirection;
    if (redirection.ends_with('#')) {
      redirection.pop_back();
      redirection += std::to_string(dead_pipe_.get());
    }
    return run(command + redirection, GetParam().before);
  }

 private:
  FileDescriptor dead_pipe_;
};

TEST_P(LostMessages, AreNotWorthTheWork) {
  expect_to_build([this](const std::string& command) { return run_unheard(command); });
  EXPECT_EQ(run_unheard("cim gc ."), 0);
  for (const std::string& name : files()) {
    if (name.starts_with("objectid_")) fs::remove(path(name));
  }
  EXPECT_EQ(run_unheard("cim check --data app.cim"), 0);
  EXPECT_EQ(run_unheard("fsck.cimfs app.cim"), 0);
}

TEST_P(LostMessages, LeaveTheExitStatus) {
  EXPECT_EQ(run_unheard("cim ls no.cim"), 1);
  EXPECT_EQ(run_unheard("cim bogus"), 2);
  EXPECT_EQ(run_unheard("cim diff no.cim no.cim"), 2);
  EXPECT_EQ(run_unheard("cim mount no.cim mnt"), 1);
  EXPECT_EQ(run_unheard("fsck.cimfs no.cim"), 8);
  EXPECT_EQ(run_unheard("cimfs no.cim mnt"), EX_NOINPUT);
  EXPECT_EQ(run_unheard("cimfs --bogus"), 2);
  EXPECT_EQ(run_unheard("mount.cimfs no.cim mnt"), 32);
}

INSTANTIATE_TEST_SUITE_P(, LostMessages,
                         testing::Values(Loss{"Closed", " 2>&-"}, Loss{"Full", " 2>/dev/full"},
                                         Loss{"DeadPipe", " 2>&#"},
                                         Loss{"IgnoredDeadPipe", " 2>&#", "trap '' PIPE && "}),
                         [](const auto& test) { return test.param.name; });

TEST_F(Programs, HelpThatCannotBeWrittenIsAnError) {
  for (const char* command : {"cim --help", "cim --version", "cim help", "cim create --help",
                              "cimfs --help", "cimfs --version"}) {
    EXPECT_EQ(run(command + std::string(" >/dev/full 2>err")), 1) << command;
    EXPECT_TRUE(read("err").ends_with(": standard output: No space left on device\n"))
        << read("err");
  }
}

}  // namespace
}  // namespace cim::cli
