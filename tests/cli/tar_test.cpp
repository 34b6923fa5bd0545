// cim create --tar and cim export.
#include <cstdlib>

#include <boost/filesystem.hpp>
#include <unistd.h>

#include "cli_test.h"
#include "faults.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;

class TarCommands : public CliTest {
 protected:
  // The exit status of a shell command in directory(), where $CIM is the program. A pipeline has
  // the status of the command in it that failed.
  int shell(const std::string& command) const {
    const std::string line =
        "cd '" + directory() + "' && bash -c 'set -o pipefail; " + command + "' 2>errors";
    const int status = std::system(line.c_str());  // NOLINT(concurrency-mt-unsafe)
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
};

TEST_F(TarCommands, CreateReadsAnArchiveFromAPipe) {
  write("src/etc/hosts", "localhost");
  ASSERT_EQ(shell("tar -C src -cz . | \"$CIM\" create app.cim --tar -"), 0) << read("errors");
  EXPECT_EQ(succeed({"cat", "app.cim", "/etc/hosts"}), "localhost");
}

TEST_F(TarCommands, ExportWritesAnArchiveToAPipe) {
  write("src/etc/hosts", std::string(3'000'000, 'x'));
  succeed({"create", "app.cim", "src"});
  ASSERT_EQ(shell("mkdir out && \"$CIM\" export app.cim | tar -x -C out"), 0) << read("errors");
  EXPECT_EQ(read("out/etc/hosts"), read("src/etc/hosts"));
}

TEST_F(TarCommands, ExportWritesWhatIsSelected) {
  for (const char* file : {"src/a.o", "src/d/b.c", "src/d/b.o", "src/e/c.c"}) write(file, "x");
  succeed({"create", "app.cim", "src"});
  ASSERT_EQ(shell("\"$CIM\" export app.cim d \"*.o\" --exclude d/b.o | tar -t >list"), 0)
      << read("errors");
  EXPECT_EQ(read("list"), "./\na.o\nd/\nd/b.c\n");
  EXPECT_EQ(fail({"export", "app.cim", "missing", "--tar", "app.tar"}),
            "cim: app.cim: missing: no such file or directory");
  EXPECT_FALSE(files().contains("app.tar"));
}

TEST_F(TarCommands, ArchiveAndImageTakeTurns) {
  write("src/file", "text");
  succeed({"create", "a.cim", "src"});
  EXPECT_EQ(succeed({"export", "a.cim", "--tar", "a.tar"}), "");
  succeed({"create", "b.cim", "--tar", "a.tar"});
  EXPECT_EQ(succeed({"export", "b.cim"}), read("a.tar"));
}

TEST_F(TarCommands, CreateTakesAnArchiveWithItsOtherOptions) {
  write("base/kept", "kept");
  write("base/replaced", "old");
  write("src/replaced", "new");
  write("src/left.out", "");
  succeed({"create", "base.cim", "base"});
  succeed({"create", "app.cim"});
  ASSERT_EQ(shell("tar -C src -cf src.tar ."), 0) << read("errors");
  succeed({"create", "app.cim", "--force", "--tar", "src.tar", "--from", "base.cim", "--exclude",
           "*.out"});
  EXPECT_EQ(succeed({"ls", "app.cim"}), "kept\nreplaced\n");
  EXPECT_EQ(succeed({"cat", "app.cim", "replaced"}), "new");
}

TEST_F(TarCommands, CreateNamesMembersThatACaseInsensitiveImageWouldTakeForOne) {
  write("src/README", "");
  write("src/Readme", "");
  ASSERT_EQ(shell("tar -C src -cf src.tar README Readme"), 0) << read("errors");
  EXPECT_EQ(fail({"create", "app.cim", "--case-insensitive", "--tar", "src.tar"}),
            "cim: app.cim: src.tar: Readme: 'README' and 'Readme' are one name in a "
            "case-insensitive image");
}

TEST_F(TarCommands, CreateMakesTheImageButFailsWhenMembersWereLeftOut) {
  write("src/file", "text");
  write("src/up", "text");
  ASSERT_EQ(shell("tar -C src -P -cf src.tar --transform=s,^up,../up, file up"), 0)
      << read("errors");
  const Result result = cim({"create", "app.cim", "--tar", "src.tar"});
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.err,
            "cim: app.cim: src.tar: ../up: its name contains '..'; left out\n"
            "cim: app.cim: made without 1 member of the archive\n");
  EXPECT_EQ(succeed({"ls", "app.cim"}), "file\n");
}

TEST_F(TarCommands, CreateFromADamagedArchiveLeavesNothing) {
  write("bad.tar", "no archive");
  EXPECT_EQ(fail({"create", "app.cim", "--tar", "bad.tar"}),
            "cim: app.cim: bad.tar: Unrecognized archive format");
  EXPECT_EQ(files(), std::set<std::string>{"bad.tar"});
}

TEST_F(TarCommands, CreateTakesOneSource) {
  const Result result = cim({"create", "app.cim", "src", "--tar", "src.tar"});
  EXPECT_EQ(result.status, 2);
}

TEST_F(TarCommands, ExportDoesNotOverwriteItsImage) {
  succeed({"create", "app.cim"});
  const std::string before = all_contents();
  EXPECT_EQ(fail({"export", "app.cim", "--tar", "app.cim"}),
            "cim: app.cim: is a part of the image");
  EXPECT_EQ(all_contents(), before);
}

TEST_F(TarCommands, ExportOfADamagedImageLeavesNoArchive) {
  write("src/file", std::string(100'000, 'x'));
  succeed({"create", "app.cim", "src"});
  for (const std::string& name : files()) {
    if (name.starts_with("region_")) fs::resize_file(path(name), fs::file_size(path(name)) / 2);
  }
  EXPECT_TRUE(fail({"export", "app.cim", "--tar", "app.tar"}).starts_with("cim: app.cim: "));
  EXPECT_FALSE(files().contains("app.tar"));
}

TEST_F(TarCommands, ExportRefusesToWriteToATerminal) {
  succeed({"create", "app.cim"});
  EXPECT_EQ(shell(R"(script -qec "\"$CIM\" export app.cim" log >/dev/null)"), 1);
  EXPECT_NE(read("log").find("standard output: is a terminal"), std::string::npos) << read("log");
}

TEST_F(TarCommands, AnInterruptedExportLeavesNoArchive) {
  write("src/a", std::string(3'000'000, 'a'));
  write("src/b", std::string(100000, 'b'));
  EXPECT_EQ(cim({"create", "app.cim", "src"}).status, 0);
  const FileFault fault("interrupt", 1, path("log"));
  EXPECT_EQ(cim({"export", "app.cim", "--tar", "app.tar"}).status, -1);
  EXPECT_NE(read("log").find("fault\n"), std::string::npos);
  EXPECT_FALSE(fs::exists(path("app.tar")));
}

TEST_F(TarCommands, ExportReportsAFullDisk) {
  succeed({"create", "app.cim"});
  EXPECT_EQ(shell("\"$CIM\" export app.cim >/dev/full"), 1);
  EXPECT_EQ(read("errors"), "cim: app.cim: standard output: No space left on device\n");
}

}  // namespace
}  // namespace cim::cli
