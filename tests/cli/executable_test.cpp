// Windows executables: stored as Windows stores them, reported, and unchanged when read back.
#include <boost/filesystem.hpp>
#include <gmock/gmock.h>
#include <nlohmann/json.hpp>

#include "cli_test.h"
#include "mount/program.h"
#include "support/forged_executable.h"

namespace cim::cli {
namespace {

using Json = nlohmann::json;
using test::ForgedExecutable;
using testing::HasSubstr;
using testing::Not;

class Executables : public CliTest {
 protected:
  Executables() {
    write("src/program.exe", executable_);
    write("src/script", "#!/bin/sh\n");
  }

  Json status(const std::string& file) const {
    return Json::parse(succeed({"stat", "--json", "app.cim", file}));
  }

  const std::string executable_ = ForgedExecutable(100).bytes();
};

TEST_F(Executables, AreExpandedIfAskedFor) {
  succeed({"create", "--expand-executables", "app.cim", "src"});
  EXPECT_EQ(status("program.exe")["executable"], Json({{"stored", 0x5000 + 100}, {"parts", 5}}));
  EXPECT_FALSE(status("script").contains("executable"));
  EXPECT_TRUE(succeed({"cat", "app.cim", "program.exe"}) == executable_);
  EXPECT_THAT(succeed({"stat", "app.cim", "program.exe"}),
              HasSubstr("    Stored: as an executable, 20580 bytes in 5 parts\n"));
  EXPECT_THAT(succeed({"info", "app.cim"}), HasSubstr("\nexecutables: 1, "));
  EXPECT_EQ(Json::parse(succeed({"info", "--json", "app.cim"}))["executables"], 1);
}

TEST_F(Executables, AreStoredAsTheyAreOtherwise) {
  succeed({"create", "app.cim", "src"});
  EXPECT_FALSE(status("program.exe").contains("executable"));
  EXPECT_THAT(succeed({"stat", "app.cim", "program.exe"}), Not(HasSubstr("executable,")));
  EXPECT_THAT(succeed({"info", "app.cim"}), Not(HasSubstr("executables")));
}

TEST_F(Executables, CanBeAddedAndComeByArchive) {
  succeed({"create", "app.cim"});
  succeed({"add", "--expand-executables", "app.cim", "src"});
  succeed({"add", "app.cim", "src/program.exe"});
  EXPECT_TRUE(status("src/program.exe").contains("executable"));
  EXPECT_FALSE(status("program.exe").contains("executable"));

  succeed({"export", "app.cim", "--tar", "app.tar"});
  succeed({"create", "--force", "--expand-executables", "app.cim", "--tar", "app.tar"});
  EXPECT_TRUE(status("src/program.exe").contains("executable"));
  EXPECT_TRUE(succeed({"cat", "app.cim", "program.exe"}) == executable_);
}

TEST_F(Executables, DifferFromTheirSourceInNothing) {
  succeed({"create", "--expand-executables", "app.cim", "src"});
  succeed({"create", "plain.cim", "src"});
  EXPECT_EQ(succeed({"diff", "app.cim", "src"}), "");
  EXPECT_EQ(succeed({"diff", "app.cim", "plain.cim"}), "");
  write("src/program.exe", executable_.substr(0, executable_.size() - 1) + "!");
  EXPECT_EQ(cim({"diff", "app.cim", "src"}).status, 1);
}

TEST_F(Executables, AreCheckedAndExtracted) {
  succeed({"create", "--expand-executables", "app.cim", "src"});
  const Json report = Json::parse(succeed({"check", "--data", "--json", "app.cim"}));
  EXPECT_GE(report["objects"], 2);
  EXPECT_TRUE(report["problems"].empty()) << report;
  succeed({"extract", "app.cim", "copy"});
  EXPECT_TRUE(read("copy/program.exe") == executable_);
}

TEST_F(Executables, EqualOnesAreCountedOnce) {
  write("src/again.exe", executable_);
  succeed({"create", "--expand-executables", "app.cim", "src"});
  const Json usage = Json::parse(succeed({"du", "--json", "app.cim"}));
  EXPECT_EQ(usage[0]["apparent"], 2 * executable_.size() + 10);
  EXPECT_EQ(usage[0]["stored"], executable_.size() + 10);
}

// As made by a linker, with as many bytes appended as a certificate has.
TEST_F(Executables, OfALinkerComeBackAsTheyWere) {
  write("a.s",
        ".globl start\n.text\nstart: ret\n.fill 70000,1,3\n.data\n.fill 3000,1,7\n"
        ".section .rdata,\"a\"\n.fill 100000,1,9\n");
  const auto run = [&](std::vector<std::string> command) {
    const auto result = run_program(command);
    return result && result->exit_status == 0;
  };
  if (!run({"as", path("a.s"), "-o", path("a.o")}) ||
      !run({"objcopy", "-O", "pe-x86-64", path("a.o"), path("a.obj")}) ||
      !run({"ld", "-m", "i386pep", "-e", "start", path("a.obj"), "-o", path("src/real.exe")})) {
    GTEST_SKIP() << "the linker makes no Windows executables";
  }
  const std::string real = read("src/real.exe") + std::string(9000, 'c');
  write("src/real.exe", real);
  succeed({"create", "--expand-executables", "app.cim", "src"});
  EXPECT_GE(status("real.exe")["executable"]["parts"], 5);
  EXPECT_EQ(succeed({"diff", "app.cim", "src"}), "");
  EXPECT_TRUE(succeed({"cat", "app.cim", "real.exe"}) == real);
}

}  // namespace
}  // namespace cim::cli
