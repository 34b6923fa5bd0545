// cim import-layer, and what other commands do with whiteouts.
#include <cstdlib>

#include <boost/filesystem.hpp>
#include <gmock/gmock.h>

#include "cli_test.h"

namespace cim::cli {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

class LayerCommands : public CliTest {
 protected:
  // Archives `source` as `layer`, its members in order of their names.
  void archive(const std::string& source, const std::string& layer) const {
    const std::string line = "cd '" + directory() + "' && tar --sort=name -C " + source +
                             " --owner=0 --group=0 --mtime=@1600000000 -czf " + layer +
                             " $(ls -A " + source + ")";
    ASSERT_EQ(std::system(line.c_str()), 0);  // NOLINT(concurrency-mt-unsafe)
  }

  // The layers linux.tar, on it top.tar, and windows.tar.
  void make_layers() const {
    write("linux/etc/hosts", "localhost");
    write("linux/old", "");
    archive("linux", "linux.tar");
    write("top/.wh.old", "");
    write("top/new", "text");
    archive("top", "top.tar");
    for (const char* hive : {"SYSTEM", "SOFTWARE", "SAM", "SECURITY", "DEFAULT"}) {
      write(std::string("windows/Files/Windows/System32/config/") + hive, hive);
    }
    archive("windows", "windows.tar");
  }
};

TEST_F(LayerCommands, LayersOfLinuxMakeAChain) {
  make_layers();
  EXPECT_EQ(succeed({"import-layer", "base.cim", "linux.tar"}), "");
  succeed({"import-layer", "top.cim", "top.tar", "--parent", "base.cim"});
  EXPECT_EQ(succeed({"ls", "top.cim"}), "etc\nnew\n");
  EXPECT_EQ(cim({"diff", "base.cim", "top.cim"}).out, "added new\nremoved old\n");
  EXPECT_EQ(succeed({"cat", "top.cim", "etc/hosts"}), "localhost");
}

TEST_F(LayerCommands, ALayerOfWindowsIsRecognised) {
  make_layers();
  succeed({"import-layer", "base.cim", "windows.tar"});
  EXPECT_EQ(succeed({"cat", "base.cim", "hives/sam_base"}), "SAM");
  EXPECT_EQ(succeed({"cat", "base.cim", "layout"}), "vhd-with-hives\n");
  write("change/Hives/SYSTEM_Delta", "delta");
  archive("change", "change.tar");
  const auto result = cim({"import-layer", "top.cim", "change.tar", "--parent", "base.cim"});
  EXPECT_EQ(result.status, 0);
  EXPECT_EQ(result.err,
            "cim: top.cim: change.tar: the changes of the registry in Hives are kept, but not "
            "merged; Hives/*_BASE are still those of the layer below\n");
  EXPECT_THAT(succeed({"info", "top.cim"}),
              HasSubstr("registry: Hives/SYSTEM_DELTA is not merged"));
  EXPECT_THAT(succeed({"info", "top.cim", "--json"}), HasSubstr("\"unmerged_hives\""));
  EXPECT_THAT(succeed({"info", "base.cim"}), testing::Not(HasSubstr("registry")));
}

TEST_F(LayerCommands, ALayerMayBeArchivedWithItsRoot) {
  make_layers();
  for (const std::string name : {"linux", "windows"}) {
    const std::string line = "tar -C " + path(name) + " -cf " + path(name + ".tar") + " .";
    ASSERT_EQ(std::system(line.c_str()), 0);  // NOLINT(concurrency-mt-unsafe)
    succeed({"import-layer", name + ".cim", name + ".tar"});
  }
  EXPECT_EQ(succeed({"ls", "linux.cim"}), "etc\nold\n");
  EXPECT_EQ(succeed({"ls", "windows.cim"}), "Files\nHives\nlayout\n");
}

TEST_F(LayerCommands, SeveralFilesMayHaveTheSameStreams) {
  make_layers();
  for (const std::string name : {"a", "b"}) {
    write("windows/Files/" + name, name);
    write("windows/Files/" + name + ":Zone.Identifier", "[ZoneTransfer]\nZoneId=3\n");
  }
  archive("windows", "windows.tar");
  succeed({"import-layer", "base.cim", "windows.tar"});
  EXPECT_THAT(succeed({"cat", "base.cim", "Files/b:Zone.Identifier"}), HasSubstr("ZoneId=3"));
  EXPECT_THAT(succeed({"check", "--data", "base.cim"}), HasSubstr(": 0 errors, 0 warnings"));
}

TEST_F(LayerCommands, LinksOfALayerStayInTheContainer) {
  make_layers();
  boost::filesystem::create_symlink("C:/Windows/System32", path("windows/Files/Windows/link"));
  archive("windows", "windows.tar");
  succeed({"import-layer", "base.cim", "windows.tar"});
  EXPECT_THAT(succeed({"ls", "-l", "base.cim", "Files/Windows"}),
              HasSubstr("link -> ../Windows/System32\n"));
}

TEST_F(LayerCommands, AParentIsOfTheSameKind) {
  make_layers();
  succeed({"import-layer", "linux.cim", "linux.tar"});
  succeed({"import-layer", "windows.cim", "windows.tar"});
  EXPECT_EQ(fail({"import-layer", "x.cim", "windows.tar", "--parent", "linux.cim"}),
            "cim: x.cim: windows.tar: is a layer of Windows, but linux.cim is of Linux");
  EXPECT_EQ(fail({"import-layer", "x.cim", "top.tar", "--parent", "windows.cim"}),
            "cim: x.cim: top.tar: is a layer of Linux, but windows.cim is of Windows");
}

TEST_F(LayerCommands, ABadArgumentLeavesNothingBehind) {
  make_layers();
  write("half.tar", read("linux.tar").substr(0, 60));
  succeed({"import-layer", "there.cim", "linux.tar"});
  const auto before = files();
  EXPECT_THAT(fail({"import-layer", "x.cim", "half.tar"}), StartsWith("cim: x.cim: half.tar: "));
  EXPECT_EQ(fail({"import-layer", "x.cim", "none.tar"}),
            "cim: x.cim: none.tar: No such file or directory");
  EXPECT_THAT(fail({"import-layer", "x.cim", "top.tar", "--parent", "none.cim"}),
              HasSubstr("none.cim: No such file or directory"));
  EXPECT_THAT(fail({"import-layer", "there.cim", "linux.tar"}), HasSubstr("exists already"));
  EXPECT_EQ(files(), before);
  succeed({"import-layer", "-f", "there.cim", "top.tar"});
  EXPECT_EQ(succeed({"ls", "there.cim"}), "new\n");
}

TEST_F(LayerCommands, OtherCommandsRefuseWhiteouts) {
  make_layers();
  succeed({"import-layer", "base.cim", "linux.tar"});
  const std::string reason =
      ".wh.old: changes a lower layer, as its name says; 'cim import-layer' applies that, "
      "--literal-whiteouts stores it";
  EXPECT_EQ(fail({"create", "x.cim", "--tar", "top.tar"}), "cim: x.cim: top.tar: " + reason);
  EXPECT_EQ(fail({"create", "x.cim", "--from", "base.cim", "top"}), "cim: x.cim: top/" + reason);
  EXPECT_EQ(fail({"add", "base.cim", "top"}), "cim: base.cim: top/" + reason);
  succeed({"create", "x.cim", "--from", "base.cim", "top", "--literal-whiteouts"});
  EXPECT_EQ(succeed({"ls", "-a", "x.cim"}), ".wh.old\netc\nnew\nold\n");
  succeed({"create", "y.cim", "top"});  // which changes nothing
  EXPECT_EQ(succeed({"ls", "-a", "y.cim"}), ".wh.old\nnew\n");
}

}  // namespace
}  // namespace cim::cli
