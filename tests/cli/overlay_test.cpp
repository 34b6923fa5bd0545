// cim create --upper, with upper directories made by hand. tests/torture/overlays lets overlays
// make them.
#include <string_view>

#include <boost/filesystem.hpp>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "cli_test.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;
using testing::HasSubstr;

// The image base.cim has d/e/f, g with the other name h, and i; the directory `upper` is empty.
class OverlayTest : public CliTest {
 protected:
  void SetUp() override {
    write("tree/d/e/f", "in f");
    write("tree/g", "in g");
    write("tree/i", "in i");
    fs::create_hard_link(path("tree/g"), path("tree/h"));
    fs::create_directories(path("upper"));
    fs::create_directories(path("work/work"));
    succeed({"create", "base.cim", "tree"});
    if (setxattr(path("upper").c_str(), "trusted.overlay.impure", "y", 1, 0) != 0) {
      GTEST_SKIP() << "there are no attributes trusted.* here";
    }
  }

  void mark(const std::string& file, const std::string& name, std::string_view value) const {
    ASSERT_EQ(0,
              lsetxattr(path("upper/" + file).c_str(), name.c_str(), value.data(), value.size(), 0))
        << name;
  }

  void make_directory(const std::string& name) const {
    fs::create_directories(path("upper/" + name));
  }

  void make_whiteout(const std::string& name) const {
    ASSERT_EQ(0, mknod(path("upper/" + name).c_str(), S_IFCHR, 0));
  }

  void make_redirect(const std::string& name, std::string_view to) const {
    make_directory(name);
    mark(name, "trusted.overlay.redirect", to);
  }

  std::vector<std::string> command(const std::vector<std::string>& options = {}) const {
    std::vector<std::string> arguments = {"create",   "new.cim", "--from",
                                          "base.cim", "--upper", "upper"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return arguments;
  }

  // Makes new.cim, which must be sound, and lists it.
  std::string made(const std::vector<std::string>& options = {}) const {
    succeed(command(options));
    succeed({"check", "--data", "new.cim"});
    return succeed({"ls", "-R", "new.cim"});
  }

  // Expects that nothing is made, and returns why.
  std::string refusal(const std::vector<std::string>& options = {}) const {
    const std::set<std::string> before = files();
    const std::string reason = fail(command(options));
    EXPECT_EQ(files(), before);
    return reason;
  }
};

TEST_F(OverlayTest, WhatIsNotChangedStays) {
  EXPECT_EQ(made(), ".:\nd\ng\nh\ni\n\n./d:\ne\n\n./d/e:\nf\n");
}

TEST_F(OverlayTest, WhiteoutsOfBothFormsRemoveFiles) {
  make_whiteout("d");
  fs::create_hard_link(path("upper/d"), path("upper/g"));
  write("upper/i", "");
  mark("i", "trusted.overlay.whiteout", "y");
  mark(".", "trusted.overlay.opaque", "x");
  EXPECT_EQ(made(), ".:\nh\n");
}

TEST_F(OverlayTest, AnOpaqueDirectoryHidesWhatIsBelow) {
  make_directory("d");
  mark("d", "trusted.overlay.opaque", "y");
  write("upper/d/new", "");
  EXPECT_EQ(made(), ".:\nd\ng\nh\ni\n\n./d:\nnew\n");
}

TEST_F(OverlayTest, DirectoriesChangePlaces) {
  make_redirect("moved", "d");
  make_redirect("moved/up", "/d/e");
  make_whiteout("moved/e");
  make_whiteout("d");
  EXPECT_EQ(made(), ".:\ng\nh\ni\nmoved\n\n./moved:\nup\n\n./moved/up:\nf\n");
}

TEST_F(OverlayTest, MetadataAloneKeepsTheDataBelow) {
  write("upper/other", std::string(4, '\0'));
  mark("other", "trusted.overlay.metacopy", "");
  mark("other", "trusted.overlay.redirect", "/g");
  write("upper/i", std::string(4, '\0'));
  mark("i", "trusted.overlay.metacopy", std::string_view("\0\4\0\0", 4));
  chmod(path("upper/i").c_str(), 0600);
  made();
  EXPECT_EQ(succeed({"cat", "new.cim", "other"}), "in g");
  EXPECT_EQ(succeed({"cat", "new.cim", "i"}), "in i");
  EXPECT_THAT(succeed({"ls", "-l", "new.cim", "i"}), HasSubstr("-rw-------"));
}

TEST_F(OverlayTest, EscapedAttributesAreShownAndTheOverlaysOwnAreNot) {
  write("upper/new", "");
  mark("new", "trusted.overlay.overlay.opaque", "y");
  mark("new", "user.overlay.opaque", "literal");
  mark("new", "trusted.overlay.uuid", "x");
  made();
  const std::string shown = succeed({"stat", "new.cim", "new"});
  EXPECT_THAT(shown, HasSubstr("trusted.overlay.opaque"));
  EXPECT_THAT(shown, HasSubstr("user.overlay.opaque"));
  EXPECT_THAT(shown, testing::Not(HasSubstr("uuid")));
}

TEST_F(OverlayTest, LostFileAttributesAreTold) {
  write("upper/new", "");
  mark("new", "trusted.overlay.protattr", "i");
  const Result result = cim(command());
  EXPECT_EQ(result.status, 0);
  EXPECT_THAT(result.err, HasSubstr("upper/new: an image cannot hold its file attributes"));
}

TEST_F(OverlayTest, FuseOverlayfsHasWaysOfItsOwn) {
  removexattr(path("upper").c_str(), "trusted.overlay.impure");
  write("upper/.wh.g", "");
  write("upper/d/.wh..wh..opq", "");
  write("upper/d/device", "");
  mark("d/device", "user.containers.override_stat", "5:6:0640:char-1-3");
  mark("d/device", "user.containers.override_security.foo", "value");
  mark(".", "user.containers.override_stat", "0:0:0755");
  EXPECT_EQ(made(), ".:\nd\nh\ni\n\n./d:\ndevice\n");
  EXPECT_THAT(succeed({"ls", "-l", "new.cim", "d"}), HasSubstr("crw-r-----"));
  EXPECT_THAT(succeed({"stat", "new.cim", "d/device"}), HasSubstr("security.foo"));
}

TEST_F(OverlayTest, WhiteoutNamesAreFilesInTheKernelsOverlay) {
  write("upper/.wh.g", "");
  EXPECT_THAT(refusal(), HasSubstr("upper/.wh.g: is a whiteout of fuse-overlayfs, or a file"));
  EXPECT_THAT(made({"--upper-format", "overlay"}), HasSubstr(".wh.g\n"));
}

TEST_F(OverlayTest, AttributesOfOrdinaryUsersMustBeCertain) {
  removexattr(path("upper").c_str(), "trusted.overlay.impure");
  make_directory("d");
  mark("d", "user.overlay.opaque", "y");
  EXPECT_THAT(refusal(), HasSubstr("which matter only with userxattr; --upper-format tells"));
  EXPECT_THAT(made({"--upper-format", "userxattr"}), HasSubstr("./d:\n"));
  EXPECT_EQ(succeed({"ls", "new.cim", "d"}), "");
  mark("d", "user.overlay.redirect", "e");
  EXPECT_THAT(fail(command({"--force", "--upper-format", "userxattr"})),
              HasSubstr("upper/d: attribute user.overlay.redirect: is nothing that"));
}

TEST_F(OverlayTest, RedirectsThatLeadNowhereAreRefused) {
  make_redirect("x", "missing");
  EXPECT_EQ(refusal(), "cim: new.cim: upper/x: was missing, which is not in base.cim");
  mark("x", "trusted.overlay.redirect", "/g");
  EXPECT_EQ(refusal(), "cim: new.cim: upper/x: was /g, which is no directory in base.cim");
  for (const char* value : {"..", "/d/../d", "/d//e", "/", "a/b", ""}) {
    mark("x", "trusted.overlay.redirect", value);
    EXPECT_EQ(refusal(), "cim: new.cim: upper/x: attribute trusted.overlay.redirect: is malformed")
        << value;
  }
}

TEST_F(OverlayTest, ADirectoryAtTwoPlacesIsRefused) {
  make_redirect("x", "d");
  EXPECT_THAT(refusal(), HasSubstr("upper/x: the overlay shows the same directory, d of base.cim"));
  make_directory("d");
  EXPECT_THAT(refusal(), HasSubstr("upper/x: the overlay shows the same directory"));
  mark("d", "trusted.overlay.opaque", "y");
  EXPECT_THAT(made(), HasSubstr("./x/e:\nf\n"));
  make_redirect("y", "d");
  EXPECT_THAT(fail(command({"--force"})), HasSubstr("shows the same directory"));
}

TEST_F(OverlayTest, ALoopOfRedirectsIsRefused) {
  make_redirect("d", "/d/e");
  make_redirect("d/e", "/d");
  EXPECT_THAT(refusal(), HasSubstr("d"));
  make_redirect("d/again", "/d/e");
  EXPECT_THAT(refusal(), HasSubstr("shows the same directory"));
}

TEST_F(OverlayTest, DataThatIsNotBelowIsRefused) {
  write("upper/x", "1234");
  mark("x", "trusted.overlay.metacopy", "");
  EXPECT_THAT(refusal(), HasSubstr("upper/x: has only metadata, and base.cim has no file"));
  mark("x", "trusted.overlay.redirect", "/missing");
  EXPECT_THAT(refusal(), HasSubstr("upper/x: was /missing, which is not in base.cim"));
  mark("x", "trusted.overlay.redirect", "/d/e");
  EXPECT_THAT(refusal(), HasSubstr("its data is not d/e of base.cim: that is another file"));
  mark("x", "trusted.overlay.redirect", "/g");
  write("upper/x", "longer");
  EXPECT_THAT(refusal(), HasSubstr("its data is not g of base.cim: that is another file"));
}

TEST_F(OverlayTest, MalformedAttributesAreRefused) {
  write("upper/g", "1234");
  for (const std::string_view value : {"x", "\1\4\0\0", "12345"}) {
    mark("g", "trusted.overlay.metacopy", value);
    EXPECT_THAT(refusal(), HasSubstr("attribute trusted.overlay.metacopy: is malformed"));
  }
  mark("g", "trusted.overlay.metacopy", std::string_view("\0\6\0\1xx", 6));
  EXPECT_THAT(refusal(), HasSubstr("metacopy: has a digest of fs-verity"));
  removexattr(path("upper/g").c_str(), "trusted.overlay.metacopy");
  mark("g", "trusted.overlay.origin", "nonsense");
  EXPECT_THAT(refusal(), HasSubstr("upper/g: a file handle is malformed"));
}

TEST_F(OverlayTest, AnOverlayOnSomethingElseIsRefused) {
  write("upper/g", "");
  std::string handle(29, '\0');
  handle[1] = '\xFB';
  handle[2] = '\x1D';
  handle[4] = 1;  // of ext4
  mark("g", "trusted.overlay.origin", handle);
  EXPECT_THAT(refusal(), HasSubstr("upper/g: the lower directory was no mount of base.cim alone"));
}

TEST_F(OverlayTest, AnIndexNeedsTheWorkdir) {
  write("upper/g", "");
  mark("g", "trusted.overlay.nlink", "U+0");
  EXPECT_THAT(refusal(), HasSubstr("its workdir is needed, too (--work)"));
  EXPECT_THAT(refusal({"--work", "upper"}), HasSubstr("upper: is no workdir of an overlay"));
  EXPECT_THAT(refusal({"--work", "work"}), HasSubstr("its workdir is needed, too (--work)"));
  fs::create_directories(path("work/index"));
  EXPECT_THAT(refusal({"--work", "work"}),
              HasSubstr("upper/g: is not in the index of the workdir"));
  write("work/index/nonsense", "");
  EXPECT_THAT(refusal({"--work", "work"}),
              HasSubstr("work/index/nonsense: is no name of a file in an index"));
}

TEST_F(OverlayTest, AVolatileOverlayIsRefused) {
  fs::create_directories(path("work/work/incompat/volatile"));
  EXPECT_THAT(refusal({"--work", "work"}), HasSubstr("was mounted as volatile"));
}

TEST_F(OverlayTest, OnlyRootSeesWhatTellsAnUpperDirectory) {
  fs::permissions(path(""), fs::all_all);
  const Result result = cim_as_nobody(command());
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("only root sees the attributes trusted.overlay.*"));
}

TEST_F(OverlayTest, OptionsThatMeanNothingAreRefused) {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"create", "x.cim", "--upper", "upper"},
        {"create", "x.cim", "--from", "base.cim", "--work", "work"},
        {"create", "x.cim", "--from", "base.cim", "--upper-format", "overlay"},
        {"create", "x.cim", "tree", "--from", "base.cim", "--upper", "upper"},
        {"create", "x.cim", "--from", "base.cim", "--upper", "upper", "--owner", "0"}}) {
    EXPECT_EQ(cim(arguments).status, 2) << testing::PrintToString(arguments);
  }
}

}  // namespace
}  // namespace cim::cli
