// The command line itself.
#include <sstream>

#include <gmock/gmock.h>

#include "cli_test.h"

namespace cim::cli {
namespace {

class Usage : public CliTest {
 protected:
  // Expects exit status 2, no output, and one line. Returns that without the name of the program.
  std::string refuse(const std::vector<std::string>& arguments, int status = 2) const {
    const Result result = cim(arguments);
    EXPECT_EQ(result.status, status);
    EXPECT_EQ(result.out, "");
    EXPECT_TRUE(result.err.starts_with("cim: ")) << result.err;
    EXPECT_EQ(result.err.find('\n'), result.err.size() - 1) << result.err;
    return result.err.substr(5, result.err.find('\n') - 5);
  }

  // The names of the commands, from the help.
  std::vector<std::string> commands() const {
    std::vector<std::string> names;
    std::istringstream help(succeed({"--help"}));
    std::string line;
    while (std::getline(help, line) && line != "Commands:") continue;
    while (std::getline(help, line) && !line.empty()) {
      names.push_back(line.substr(2, line.find(' ', 2) - 2));
    }
    EXPECT_THAT(names, testing::SizeIs(testing::Ge(18)));
    return names;
  }
};

TEST_F(Usage, HelpNamesEverySubcommandOnStandardOutput) {
  EXPECT_THAT(commands(), testing::IsSupersetOf({"create", "add", "rm", "ln", "ls", "tree", "du",
                                                 "stat", "cat", "info", "diff", "check", "gc",
                                                 "extract", "export", "mount", "umount", "help"}));
}

TEST_F(Usage, HelpOfACommandIsTheSameHoweverItIsAskedFor) {
  EXPECT_EQ(succeed({"help"}), succeed({"--help"}));
  for (const std::string& command : commands()) {
    const std::string help = succeed({command, "--help"});
    EXPECT_TRUE(help.starts_with("Usage: cim " + command + " ")) << help;
    EXPECT_EQ(succeed({"help", command}), help);
  }
}

TEST_F(Usage, HelpFitsATerminalAndHasNoneOfTheParsersOwnWords) {
  std::vector<std::string> helps = {succeed({"--help"})};
  for (const std::string& command : commands()) helps.push_back(succeed({command, "--help"}));
  for (const std::string& help : helps) {
    std::istringstream lines(help);
    for (std::string line; std::getline(lines, line);) {
      EXPECT_LE(line.size(), 80U) << line;
      EXPECT_EQ(line.find_last_not_of(' ') + 1, line.size()) << line;
    }
    for (const char* word : {"Excludes", "Needs", "REQUIRED", "TEXT", "{", "Positionals"}) {
      EXPECT_EQ(help.find(word), std::string::npos) << help;
    }
  }
}

TEST_F(Usage, VersionNamesTheProgram) {
  EXPECT_TRUE(succeed({"--version"}).starts_with("cim "));
  EXPECT_EQ(succeed({"-V"}), succeed({"--version"}));
}

TEST_F(Usage, RefusesNoSubcommand) { EXPECT_EQ(refuse({}), "COMMAND is missing; see 'cim help'"); }

TEST_F(Usage, NamesAnUnknownCommandAndTheNearest) {
  EXPECT_EQ(refuse({"crate", "app.cim"}), "'crate' is no command; did you mean 'create'?");
  EXPECT_EQ(refuse({"crate", "-v", "app.cim"}), "'crate' is no command; did you mean 'create'?");
  EXPECT_EQ(refuse({"sl", "app.cim"}), "'sl' is no command; did you mean 'ls'?");
  EXPECT_EQ(refuse({"unmount", "mnt"}), "'unmount' is no command; did you mean 'umount'?");
  EXPECT_EQ(refuse({"defragment", "app.cim"}), "'defragment' is no command; see 'cim help'");
  EXPECT_EQ(refuse({"help", "exctract"}), "'exctract' is no command; did you mean 'extract'?");
}

TEST_F(Usage, NamesAnUnknownOptionAndTheNearest) {
  EXPECT_EQ(refuse({"ls", "--colour", "app.cim"}),
            "'--colour' is no option of 'cim ls'; did you mean '--color'?");
  EXPECT_EQ(refuse({"create", "app.cim", "--exlude=*.o"}),
            "'--exlude' is no option of 'cim create'; did you mean '--exclude'?");
  EXPECT_EQ(refuse({"ls", "-lZ", "app.cim"}), "'-Z' is no option of 'cim ls'; see 'cim help ls'");
  EXPECT_EQ(refuse({"ls", "-Z"}), "'-Z' is no option of 'cim ls'; see 'cim help ls'");
  EXPECT_EQ(refuse({"--quiet", "ls"}), "'--quiet' is no option of 'cim'; see 'cim help'");
  EXPECT_EQ(refuse({"check", "--dta", "app.cim"}, 16),
            "'--dta' is no option of 'cim check'; did you mean '--data'?");
}

TEST_F(Usage, NamesMissingArguments) {
  for (const char* command : {"create", "ls", "cat", "extract", "info", "mount", "rm", "ln"}) {
    EXPECT_EQ(refuse({command}), std::string("IMAGE is missing; see 'cim help ") + command + "'");
  }
  EXPECT_EQ(refuse({"umount"}), "DIR is missing; see 'cim help umount'");
  EXPECT_EQ(refuse({"rm", "app.cim"}), "PATH is missing; see 'cim help rm'");
  EXPECT_EQ(refuse({"ln", "app.cim", "existing"}), "NEW is missing; see 'cim help ln'");
  EXPECT_EQ(refuse({"create", "app.cim", "--tar"}),
            "FILE is missing after '--tar'; see 'cim help create'");
  EXPECT_EQ(refuse({"mount", "app.cim", "mnt", "-o"}),
            "OPTS is missing after '-o'; see 'cim help mount'");
  EXPECT_EQ(refuse({"add", "app.cim", "/"}), "PATH: is required, as '/' has no name of its own");
}

TEST_F(Usage, RefusesEmptyArguments) {
  succeed({"create", "app.cim"});
  EXPECT_EQ(refuse({"ls", ""}), "IMAGE: is empty");
  EXPECT_EQ(refuse({"rm", "app.cim", ""}), "PATH: is empty");
  EXPECT_EQ(refuse({"extract", "app.cim", "out", ""}), "PATH: is empty");
}

TEST_F(Usage, RefusesSurplusArguments) {
  EXPECT_EQ(refuse({"info", "app.cim", "other.cim"}),
            "'other.cim' is one argument too many; see 'cim help info'");
}

TEST_F(Usage, RefusesOptionsThatExcludeEachOther) {
  EXPECT_EQ(refuse({"create", "app.cim", "src", "--tar", "x.tar"}),
            "'--tar' and SOURCE_DIR exclude each other; see 'cim help create'");
  EXPECT_EQ(refuse({"ls", "-tS", "app.cim"}),
            "'-t' and '-S' exclude each other; see 'cim help ls'");
}

TEST_F(Usage, RefusesOptionsWithOddValues) {
  EXPECT_EQ(refuse({"create", "app.cim", "--tar", "a.tar", "--tar", "b.tar"}),
            "'--tar' is given more than once; see 'cim help create'");
  EXPECT_EQ(refuse({"ls", "--json=yes", "app.cim"}), "'--json' takes no value; see 'cim help ls'");
  EXPECT_EQ(refuse({"ls", "--color=maybe", "app.cim"}),
            "--color: 'maybe' is not one of 'always', 'auto', 'never'");
  EXPECT_EQ(refuse({"extract", "app.cim", "out", "--streams=no"}),
            "--streams: 'no' is not one of 'xattrs', 'files'");
  EXPECT_EQ(refuse({"create", "app.cim", "src", "--mtime=now"}),
            "--mtime: 'now' is not a time like 2026-01-02T03:04:05Z or @1767323045");
}

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
