// The command line itself.
#include "cli_test.h"

namespace cim::cli {
namespace {

class Usage : public CliTest {
 protected:
  // Expects exit status 2, no output, and a message that says where to find help.
  std::string refuse(const std::vector<std::string>& arguments) const {
    const Result result = cim(arguments);
    EXPECT_EQ(result.status, 2);
    EXPECT_EQ(result.out, "");
    EXPECT_TRUE(result.err.starts_with("cim: ")) << result.err;
    EXPECT_NE(result.err.find("--help'"), std::string::npos) << result.err;
    return result.err;
  }
};

TEST_F(Usage, HelpNamesEverySubcommandOnStandardOutput) {
  const std::string help = succeed({"--help"});
  for (const char* command : {"create", "add", "rm", "ln", "ls", "tree", "du", "stat", "cat",
                              "info", "diff", "extract", "mount", "umount"}) {
    EXPECT_NE(help.find("\n  " + std::string(command) + " "), std::string::npos) << command;
    EXPECT_NE(succeed({command, "--help"}).find("Usage:"), std::string::npos) << command;
  }
}

TEST_F(Usage, VersionNamesTheProgram) { EXPECT_TRUE(succeed({"--version"}).starts_with("cim ")); }

TEST_F(Usage, RefusesNoSubcommand) { refuse({}); }

TEST_F(Usage, RefusesAnUnknownSubcommand) { refuse({"squash", "app.cim"}); }

TEST_F(Usage, RefusesAnUnknownOption) { refuse({"ls", "--color", "app.cim"}); }

TEST_F(Usage, RefusesMissingArguments) {
  for (const char* command :
       {"create", "ls", "cat", "extract", "info", "mount", "umount", "rm", "ln"}) {
    refuse({command});
  }
  refuse({"rm", "app.cim"});
  refuse({"ln", "app.cim", "existing"});
}

TEST_F(Usage, RefusesSurplusArguments) { refuse({"info", "app.cim", "other.cim"}); }

TEST_F(Usage, RefusesABaseInAnotherDirectory) {
  succeed({"create", "base.cim"});
  write("elsewhere/x", "");
  const std::string complaint = refuse({"create", "elsewhere/app.cim", "--from", "base.cim"});
  EXPECT_NE(complaint.find("base.cim is not in the directory of elsewhere/app.cim"),
            std::string::npos)
      << complaint;
}

TEST_F(Usage, RefusesToChangeTheCaseRulesOfABase) {
  succeed({"create", "base.cim"});
  refuse({"create", "app.cim", "--from", "base.cim", "--case-insensitive"});
}

TEST_F(Usage, TakesArgumentsThatLookLikeSomethingElse) {
  write("src/[a,b]", "brackets");
  write("src/-l", "dash");
  write("src/ls", "command");
  succeed({"create", "ls", "src"});
  EXPECT_EQ(succeed({"ls", "ls", "ls"}), "ls\n");
  EXPECT_EQ(succeed({"cat", "ls", "[a,b]"}), "brackets");
  EXPECT_EQ(succeed({"cat", "ls", "--", "-l"}), "dash");
  succeed({"extract", "ls", "out", "[a,b]"});
  EXPECT_EQ(read("out/[a,b]"), "brackets");
  succeed({"rm", "ls", "[a,b]", "ls"});
  EXPECT_EQ(succeed({"ls", "ls"}), "-l\n");
}

}  // namespace
}  // namespace cim::cli
