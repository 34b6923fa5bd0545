// The one style of all messages: "PROGRAM: SUBJECT: reason", on one line, with nothing said twice.
#include <cstdlib>

#include <boost/filesystem.hpp>
#include <gmock/gmock.h>
#include <unistd.h>

#include "cli_test.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

using Arguments = std::vector<std::string>;

// Each command that reads an image, with IMAGE for its name.
const std::vector<Arguments> readers = {
    {"add", "IMAGE", "src/file"},
    {"rm", "IMAGE", "file"},
    {"ln", "IMAGE", "file", "other"},
    {"ls", "IMAGE"},
    {"tree", "IMAGE"},
    {"du", "IMAGE"},
    {"stat", "IMAGE", "file"},
    {"cat", "IMAGE", "file"},
    {"info", "IMAGE"},
    {"diff", "IMAGE", "sound.cim"},
    {"diff", "sound.cim", "IMAGE"},
    {"check", "IMAGE"},
    {"extract", "IMAGE", "out"},
    {"export", "IMAGE", "--tar", "out.tar"},
    {"export-layer", "IMAGE", "--tar", "out.tar"},
    {"export-layer", "sound.cim", "--parent", "IMAGE", "--tar", "out.tar"},
    {"mount", "IMAGE", "mnt"},
    {"mount", "-f", "IMAGE", "mnt"},
    {"create", "fork.cim", "--from", "IMAGE"},
};

class Message : public CliTest {
 protected:
  Message() {
    write("src/file", "content");
    fs::create_directory(path("mnt"));
    succeed({"create", "sound.cim", "src"});
  }

  static Arguments with_image(Arguments arguments, const std::string& image) {
    for (std::string& argument : arguments) {
      if (argument == "IMAGE") argument = image;
    }
    return arguments;
  }

  // Expects one line on standard error: the name of the program, `subject` and a reason.
  void expect_message(const Result& result, const std::string& subject) const {
    EXPECT_GT(result.status, 0);
    const std::string text = result.err.substr(result.err.find(": ") + 2);
    EXPECT_THAT(text, StartsWith(subject + ": "));
    EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
    const std::string reason = text.substr(subject.size());
    EXPECT_THAT(reason, Not(HasSubstr(subject))) << "said twice";
    EXPECT_THAT(reason, Not(HasSubstr(directory()))) << "a path that nobody gave";
    for (const char* program : {"cim: ", "cimfs: ", "fusermount3: ", "fuse: "}) {
      EXPECT_THAT(reason, Not(HasSubstr(program)));
    }
  }

  // Expects that of every command that reads an image, for `image`.
  void expect_messages(const std::string& image) const {
    for (const Arguments& reader : readers) {
      SCOPED_TRACE(testing::PrintToString(reader));
      expect_message(cim(with_image(reader, image)), image);
    }
  }
};

TEST_F(Message, OfAMissingImage) { expect_messages("none.cim"); }

TEST_F(Message, OfAForeignFile) {
  write("foreign.cim", std::string(1000, 'x'));
  expect_messages("foreign.cim");
}

TEST_F(Message, OfADamagedImage) {
  write("other/file", "equal images would share the file that is damaged here");
  succeed({"create", "damaged.cim", "other"});
  fs::resize_file(region("metadata", "damaged.cim"), 100);
  for (const Arguments& reader : readers) {
    SCOPED_TRACE(testing::PrintToString(reader));
    const Result result = cim(with_image(reader, "damaged.cim"));
    EXPECT_GT(result.status, 0);
    EXPECT_THAT(result.err, HasSubstr(": damaged.cim: "));
    EXPECT_THAT(result.err.substr(result.err.find("damaged.cim") + 1),
                Not(HasSubstr("damaged.cim")));
  }
}

TEST_F(Message, OfADirectory) {
  fs::create_directory(path("folder"));
  for (const Arguments& reader : readers) {
    if (reader[0] == "diff" || reader[0] == "ls") continue;  // which take directories
    SCOPED_TRACE(testing::PrintToString(reader));
    expect_message(cim(with_image(reader, "folder")), "folder");
  }
}

TEST_F(Message, OfAnUnreadableImage) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can act as another user";
  succeed({"create", "closed.cim", "src"});
  fs::permissions(path("closed.cim"), fs::perms(0));
  for (const Arguments& reader : readers) {
    if (reader[0] == "mount") continue;  // the daemon may be out of this user's reach
    SCOPED_TRACE(testing::PrintToString(reader));
    const Result result = cim_as_nobody(with_image(reader, "closed.cim"));
    expect_message(result, "closed.cim");
    EXPECT_THAT(result.err, testing::EndsWith(": closed.cim: Permission denied\n"));
  }
}

TEST_F(Message, OfADirectoryThatCannotBeCollected) {
  EXPECT_EQ(fail({"gc", "none"}), "cim: none: no such directory; nothing is removed");
  write("foreign.cim", "");
  EXPECT_EQ(fail({"gc", "."}),
            "cim: .: ./foreign.cim: is not a composite image: 0 bytes, shorter than its header; "
            "nothing is removed");
}

TEST_F(Message, OfMounting) {
  if (!can_mount()) GTEST_SKIP() << "/dev/fuse cannot be used";
  expect_message(cim({"mount", "sound.cim", "none"}), "sound.cim");
  expect_message(cim({"mount", "sound.cim", "src/file"}), "sound.cim");
  expect_message(cim({"mount", "sound.cim", "src"}), "sound.cim");
  EXPECT_EQ(fail({"mount", "sound.cim", "mnt", "-o", "prefech=0"}),
            "cim: sound.cim: 'prefech' is no mount option; did you mean 'prefetch'?");
  EXPECT_EQ(fail({"umount", "mnt"}), "cim: mnt: no image is mounted here");
  EXPECT_EQ(fail({"umount", "none"}), "cim: none: No such file or directory");

  succeed({"mount", "sound.cim", "mnt"});
  EXPECT_EQ(fail({"mount", "sound.cim", "mnt"}),
            "cim: sound.cim: mnt: " + path("sound.cim") + " is mounted here already");
  const fs::path before = fs::current_path();
  fs::current_path(path("mnt"));
  EXPECT_EQ(fail({"umount", "mnt"}), "cim: mnt: Device or resource busy");
  succeed({"umount", "--lazy", "mnt"});
  fs::current_path(before);
  EXPECT_TRUE(fs::is_empty(path("mnt")));
}

// fsck(8) and mount(8) call the programs by these names.
TEST_F(Message, OfTheProgramsByTheirOtherNames) {
  const auto run = [&](const std::string& command) {
    const std::string line = "cd " + directory() + " && " + command + " >out 2>err </dev/null";
    const int status = std::system(line.c_str());  // NOLINT(concurrency-mt-unsafe)
    return Result{WEXITSTATUS(status), read("out"), read("err")};
  };
  ASSERT_EQ(0,
            run("ln -s \"$CIM\" fsck.cimfs && ln -s \"$(command -v cimfs)\" mount.cimfs").status);
  expect_message(run("./fsck.cimfs none.cim"), "none.cim");
  EXPECT_EQ(run("./fsck.cimfs none.cim").err, "fsck.cimfs: none.cim: No such file or directory\n");
  expect_message(run("./mount.cimfs none.cim mnt"), "none.cim");
  expect_message(run("./mount.cimfs sound.cim none"), "none");
  EXPECT_EQ(run("./fsck.cimfs").err, "fsck.cimfs: IMAGE is missing; see 'cim help check'\n");
  EXPECT_EQ(run("./mount.cimfs").err, "mount.cimfs: IMAGE is missing; see 'cimfs --help'\n");
  EXPECT_THAT(run("./fsck.cimfs --version").out, StartsWith("cim "));
  EXPECT_THAT(run("./mount.cimfs --version").out, StartsWith("cimfs "));
  EXPECT_THAT(run("./fsck.cimfs --help").out, StartsWith("Usage: cim check "));
  EXPECT_THAT(run("./mount.cimfs --help").out, StartsWith("Usage: cimfs "));
}

}  // namespace
}  // namespace cim::cli
