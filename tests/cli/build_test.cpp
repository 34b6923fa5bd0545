// cim create, add, rm and ln.
#include <cstdlib>
#include <utility>

#include <boost/filesystem.hpp>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "cli_test.h"
#include "image/file_descriptor.h"
#include "mount/program.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;

using Build = CliTest;

TEST_F(Build, CreateMakesTheContentsOfADirectoryTheRoot) {
  write("src/etc/hosts", "localhost");
  succeed({"create", "app.cim", "src"});
  EXPECT_EQ(succeed({"ls", "app.cim", "-R"}), ".:\netc\n\n./etc:\nhosts\n");
  EXPECT_EQ(succeed({"cat", "app.cim", "/etc/hosts"}), "localhost");
}

TEST_F(Build, AMountedTargetIsRefusedBeforeTheSourceIsRead) {
  succeed({"create", "app.cim"});
  const FileDescriptor mount(open(path("app.cim").c_str(), O_RDONLY | O_CLOEXEC));
  ASSERT_EQ(flock(mount.get(), LOCK_SH), 0);  // as the daemon does for what it has mounted
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"create", "--force", "app.cim", "missing"},
        {"create", "--force", "app.cim", "--tar", "missing"},
        {"add", "app.cim", "missing"}}) {
    EXPECT_EQ(fail(arguments), "cim: app.cim: is mounted") << testing::PrintToString(arguments);
  }
}

TEST_F(Build, CreateWithoutSourceMakesAnEmptyImage) {
  succeed({"create", "app.cim"});
  EXPECT_EQ(succeed({"ls", "app.cim"}), "");
  EXPECT_NE(succeed({"stat", "app.cim", "/"}).find("0755 (drwxr-xr-x)"), std::string::npos);
}

TEST_F(Build, CreateRefusesAnExistingImageUnlessForced) {
  write("src/new", "");
  succeed({"create", "app.cim"});
  const std::string before = all_contents();
  EXPECT_TRUE(fail({"create", "app.cim", "src"}).starts_with("cim: app.cim: "));
  EXPECT_EQ(all_contents(), before);
  succeed({"create", "--force", "app.cim", "src"});
  EXPECT_EQ(succeed({"ls", "app.cim"}), "new\n");
  // The old image's files are gone.
  EXPECT_NE(before, all_contents());
  for (const std::string& name : files())
    EXPECT_EQ(before.find(name + "\n") == std::string::npos, name != "app.cim") << name;
}

TEST_F(Build, CreateForksABaseAndLaysTheSourceOverIt) {
  write("base/kept", "kept");
  write("base/replaced", "old");
  write("src/replaced", "new");
  write("src/added", "added");
  succeed({"create", "base.cim", "base"});
  succeed({"create", "app.cim", "src", "--from", "base.cim"});
  EXPECT_EQ(succeed({"ls", "app.cim"}), "added\nkept\nreplaced\n");
  EXPECT_EQ(succeed({"cat", "app.cim", "replaced"}), "new");
  EXPECT_EQ(succeed({"cat", "app.cim", "kept"}), "kept");
  EXPECT_EQ(succeed({"cat", "base.cim", "replaced"}), "old");
}

// Each fork has three region files.
TEST_F(Build, AChainOfForksMayHaveMoreRegionFilesThanThereAreDescriptors) {
  const auto limited = [](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"prlimit", "--nofile=64:64", std::getenv("CIM")});
    const ProgramResult result = run_program(arguments).value();
    EXPECT_EQ(result.exit_status, 0) << result.message;
  };
  succeed({"create", "0.cim"});
  std::string last = path("0.cim");
  for (int i = 1; i <= 40; ++i) {
    fs::remove_all(path("src"));
    write(fmt::format("src/small{}", i), fmt::format("{}", i));
    write(fmt::format("src/large{}", i), fmt::format("{:020000}", i));
    const std::string from = std::exchange(last, path(fmt::format("{}.cim", i)));
    limited({"create", last, path("src"), "--from", from});
  }
  limited({"check", "--data", last});
  limited({"extract", last, path("out")});
  limited({"diff", last, path("out")});
  for (int i = 1; i <= 40; ++i) {
    EXPECT_EQ(read(fmt::format("out/small{}", i)), fmt::format("{}", i));
    EXPECT_EQ(read(fmt::format("out/large{}", i)), fmt::format("{:020000}", i));
  }
}

TEST_F(Build, CreateTakesSeveralExcludesAnywhereOnTheLine) {
  write("src/a.o", "");
  write("src/b.tmp", "");
  write("src/c", "");
  succeed({"create", "--exclude", "*.o", "app.cim", "--exclude=*.tmp", "src"});
  EXPECT_EQ(succeed({"ls", "app.cim"}), "c\n");
}

TEST_F(Build, CreateTakesACharacterClassAsAPattern) {
  write("src/a", "");
  write("src/b", "");
  write("src/c", "");
  succeed({"create", "--exclude", "[a,b]", "app.cim", "src"});
  EXPECT_EQ(succeed({"ls", "app.cim"}), "c\n");
}

TEST_F(Build, CreateCaseInsensitiveFindsNamesInAnyCase) {
  write("src/ReadMe", "text");
  succeed({"create", "--case-insensitive", "app.cim", "src"});
  EXPECT_EQ(succeed({"cat", "app.cim", "README"}), "text");
  EXPECT_NE(succeed({"info", "app.cim"}).find("case-insensitive"), std::string::npos);
}

TEST_F(Build, CreateLeavesTheImageOutOfTheTreeThatItLiesIn) {
  write("file", "x");
  succeed({"create", "app.cim", "."});
  EXPECT_EQ(succeed({"ls", "app.cim"}), "file\n");
  succeed({"create", "--force", "app.cim", "."});
  EXPECT_EQ(succeed({"ls", "app.cim"}), "file\n");
}

TEST_F(Build, AddPutsAFileUnderItsOwnName) {
  write("dir/file", "x");
  succeed({"create", "app.cim"});
  succeed({"add", "app.cim", "dir/file"});
  succeed({"add", "app.cim", "dir/"});
  EXPECT_EQ(succeed({"ls", "-R", "app.cim"}), ".:\ndir\nfile\n\n./dir:\nfile\n");
}

TEST_F(Build, AddMakesMissingDirectories) {
  write("file", "x");
  succeed({"create", "app.cim"});
  succeed({"add", "app.cim", "file", "/a/b/c"});
  EXPECT_EQ(succeed({"ls", "-R", "app.cim"}), ".:\na\n\n./a:\nb\n\n./a/b:\nc\n");
  EXPECT_NE(succeed({"stat", "app.cim", "a/b"}).find("0755 (drwxr-xr-x)"), std::string::npos);
}

TEST_F(Build, AddKeepsTheRestOfTheImage) {
  write("src/d/old", "old");
  succeed({"create", "app.cim", "src"});
  write("more/new", "new");
  succeed({"add", "app.cim", "more", "d"});
  EXPECT_EQ(succeed({"ls", "-R", "app.cim"}), ".:\nd\n\n./d:\nnew\nold\n");
  EXPECT_EQ(succeed({"cat", "app.cim", "d/old"}), "old");
}

TEST_F(Build, AddDoesNotReplaceADirectoryByAFile) {
  write("src/etc/hosts", "x");
  write("file", "x");
  succeed({"create", "app.cim", "src"});
  EXPECT_EQ(fail({"add", "app.cim", "file", "etc"}),
            "cim: app.cim: etc: is a directory in the image");
  EXPECT_EQ(succeed({"ls", "app.cim", "etc"}), "hosts\n");
}

TEST_F(Build, AddDoesNotReplaceAFileByADirectoryOnTheWay) {
  write("file", "x");
  succeed({"create", "app.cim"});
  succeed({"add", "app.cim", "file"});
  EXPECT_EQ(fail({"add", "app.cim", "file", "file/below"}),
            "cim: app.cim: file: is not a directory");
}

TEST_F(Build, AddWithoutAnImageDoesNotMakeOne) {
  write("file", "x");
  EXPECT_TRUE(fail({"add", "app.cim", "file"}).starts_with("cim: app.cim: "));
  EXPECT_EQ(files(), std::set<std::string>{"file"});
}

TEST_F(Build, RmRemovesFilesAndTrees) {
  write("src/a/b/c", "x");
  write("src/file", "x");
  write("src/kept", "x");
  succeed({"create", "app.cim", "src"});
  succeed({"rm", "app.cim", "a", "/file"});
  EXPECT_EQ(succeed({"ls", "-R", "app.cim"}), ".:\nkept\n");
}

TEST_F(Build, RmOfSomethingMissingRemovesNothing) {
  write("src/file", "x");
  succeed({"create", "app.cim", "src"});
  const std::string message = fail({"rm", "app.cim", "file", "missing"});
  EXPECT_TRUE(message.starts_with("cim: app.cim: ")) << message;
  EXPECT_NE(message.find("missing"), std::string::npos) << message;
  EXPECT_EQ(succeed({"ls", "app.cim"}), "file\n");
}

TEST_F(Build, LnMakesOneMoreNameForAFile) {
  write("src/d/file", "x");
  succeed({"create", "app.cim", "src"});
  succeed({"ln", "app.cim", "d/file", "link"});
  EXPECT_EQ(succeed({"cat", "app.cim", "link"}), "x");
  EXPECT_NE(succeed({"stat", "app.cim", "d/file"}).find("Links: 2\n"), std::string::npos);
}

TEST_F(Build, LnDoesNotReplaceAFile) {
  write("src/a", "a");
  write("src/b", "b");
  succeed({"create", "app.cim", "src"});
  EXPECT_EQ(fail({"ln", "app.cim", "a", "b"}), "cim: app.cim: b: exists");
  EXPECT_EQ(succeed({"cat", "app.cim", "b"}), "b");
}

TEST_F(Build, AddTellsOfFilesThatHoldMoreThanTheirSize) {
  const std::string made_up = "/proc/sys/kernel/ostype";
  if (!fs::exists(made_up)) GTEST_SKIP() << "no /proc";
  succeed({"create", "app.cim"});
  const Result added = cim({"add", "app.cim", made_up});
  EXPECT_EQ(added.status, 1);
  EXPECT_NE(added.err.find("cim: app.cim: " + made_up + ": holds more than"), std::string::npos);
  EXPECT_TRUE(added.err.ends_with("cim: app.cim: made, but 1 file differs from the source\n"))
      << added.err;
  EXPECT_EQ(succeed({"cat", "app.cim", "ostype"}), "");
}

}  // namespace
}  // namespace cim::cli
