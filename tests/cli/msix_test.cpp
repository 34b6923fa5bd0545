// cim create --msix
#include <boost/filesystem.hpp>
#include <gmock/gmock.h>

#include "cli_test.h"
#include "support/forged_executable.h"
#include "support/msix_package.h"

namespace cim::cli {
namespace {

using test::MsixPackage;
using testing::HasSubstr;

class MsixCommand : public CliTest {
 protected:
  MsixCommand() {
    MsixPackage()
        .file("App.exe", test::ForgedExecutable().bytes())
        .file("a b.png", "logo")
        .file(".wh.name", "")
        .finish(path("app.msix"));
  }

  const std::string package_ = MsixPackage::full_name;
};

TEST_F(MsixCommand, MakesAnImageForAppAttach) {
  EXPECT_EQ(succeed({"create", "app.cim", "--msix", "app.msix"}), "");
  EXPECT_EQ(succeed({"ls", "app.cim"}), "apps\n");
  EXPECT_EQ(succeed({"ls", "app.cim", "APPS"}), package_ + "\n");
  EXPECT_EQ(succeed({"cat", "app.cim", "apps/" + package_ + "/A B.png"}), "logo");
  EXPECT_THAT(succeed({"stat", "app.cim", "apps/" + package_ + "/App.exe"}),
              HasSubstr("Stored: as an executable"));
  EXPECT_THAT(succeed({"check", "--data", "app.cim"}), HasSubstr(" 0 errors, 0 warnings"));
}

TEST_F(MsixCommand, TheDirectoryCanBeChosen) {
  succeed({"create", "app.cim", "--msix", "app.msix", "--root", "a/b"});
  EXPECT_EQ(succeed({"ls", "app.cim", "a/b"}), package_ + "\n");
  succeed({"create", "-f", "app.cim", "--msix", "app.msix", "--root", "/"});
  EXPECT_EQ(succeed({"ls", "app.cim"}), package_ + "\n");
}

TEST_F(MsixCommand, EqualPackagesMakeEqualImages) {
  succeed({"create", "app.cim", "--msix", "app.msix"});
  const std::string first = succeed({"info", "app.cim", "--json"});
  succeed({"create", "-f", "app.cim", "--msix", "app.msix"});
  EXPECT_EQ(succeed({"info", "app.cim", "--json"}), first);
}

TEST_F(MsixCommand, DoesNotGoWithOtherSourcesOrChanges) {
  write("src/f", "");
  const auto refusal = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"create", "app.cim"});
    const Result result = cim(arguments);
    EXPECT_EQ(result.status, 2);
    return result.err;
  };
  EXPECT_THAT(refusal({"--msix", "app.msix", "src"}), HasSubstr("exclude each other"));
  EXPECT_THAT(refusal({"--msix", "app.msix", "--tar", "app.tar"}), HasSubstr("exclude each other"));
  EXPECT_THAT(refusal({"--msix", "app.msix", "--from", "x.cim"}), HasSubstr("exclude each other"));
  const std::vector<std::vector<std::string>> changes = {
      {"--exclude", "*"}, {"--exclude-from", "src/f"}, {"--one-file-system"},   {"--owner", "0"},
      {"--group", "0"},   {"--mtime", "@0"},           {"--literal-whiteouts"},
  };
  for (const auto& change : changes) {
    std::vector<std::string> arguments = {"--msix", "app.msix"};
    arguments.insert(arguments.end(), change.begin(), change.end());
    EXPECT_THAT(refusal(arguments),
                HasSubstr("'--msix' and '" + change.front() + "' exclude each other"));
  }
  EXPECT_THAT(refusal({"src", "--root", "apps"}), HasSubstr("'--root' is only for '--msix'"));
  EXPECT_THAT(refusal({"--msix", "app.msix", "--root", "../x"}), HasSubstr("--root: ../x: "));
}

TEST_F(MsixCommand, APackageIsNoDirectory) {
  EXPECT_EQ(fail({"create", "app.cim", "app.msix"}),
            "cim: app.cim: app.msix: is no directory; did you mean 'cim create app.cim --msix "
            "app.msix'?");
}

TEST_F(MsixCommand, ABadPackageLeavesNothingBehind) {
  write("half.msix", read("app.msix").substr(0, 100));
  MsixPackage().listed("f", "a").unlisted("f", "b").finish(path("bad.msix"));
  const auto before = files();
  EXPECT_EQ(fail({"create", "app.cim", "--msix", "half.msix"}),
            "cim: app.cim: half.msix: is no zip archive, or is cut short");
  EXPECT_EQ(fail({"create", "app.cim", "--msix", "bad.msix"}),
            "cim: app.cim: bad.msix: f: differs from the block map in the 64 KiB from 0 on");
  EXPECT_EQ(fail({"create", "app.cim", "--msix", "none.msix"}),
            "cim: app.cim: none.msix: No such file or directory");
  EXPECT_EQ(files(), before);
}

}  // namespace
}  // namespace cim::cli
