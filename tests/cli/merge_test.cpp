// cim merge, and what other commands do with merged images.
#include <filesystem>

#include <boost/filesystem.hpp>
#include <cim/writer.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "cli_test.h"
#include "faults.h"
#include "image/file_descriptor.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;

using testing::AnyOf;
using testing::HasSubstr;

class MergeCommand : public CliTest {
 protected:
  // base.cim, middle.cim, top.cim.
  MergeCommand() {
    write("base/both", "base");
    fs::last_write_time(path("base/both"), 1000000000);  // older than the others
    write("base/d/gone", "1");
    write("base/d/large", std::string(70000, 'b'));
    write("middle/both", "middle");
    write("middle/d/new", "2");
    write("top/both", "top");
    fs::create_hard_link(path("top/both"), path("top/link"));
    for (const char* name : {"base", "middle", "top"}) {
      succeed({"create", std::string(name) + ".cim", name});
    }
    fs::create_directory(path("mnt"));
  }
  ~MergeCommand() override { umount2(path("mnt").c_str(), MNT_DETACH); }

  // Puts a tombstone and a merge link into middle.cim.
  void mark_middle() const {
    Writer writer({.directory = directory(), .existing = "middle.cim"});
    writer.create_tombstone(u"d\\gone");
    writer.create_merge_link(u"d\\small", u"both");
    writer.create_merge_link(u"bulk", u"d\\large");
    writer.commit();
  }

  void merge() const { succeed({"merge", "all.cim", "top.cim", "middle.cim", "base.cim"}); }

  bool is_intact(const std::string& image) const {
    return cim({"check", "--data", image}).status == 0;
  }
};

TEST_F(MergeCommand, TheFirstImageWins) {
  mark_middle();
  EXPECT_EQ(succeed({"merge", "all.cim", "top.cim", "middle.cim", "base.cim"}), "");
  EXPECT_TRUE(is_intact("all.cim"));
  EXPECT_EQ(succeed({"cat", "all.cim", "link"}), "top");
  EXPECT_EQ(succeed({"cat", "all.cim", "d/small"}), "middle");
  EXPECT_EQ(succeed({"cat", "all.cim", "bulk"}), std::string(70000, 'b'));
  EXPECT_EQ(succeed({"ls", "all.cim", "d"}), "large\nnew\nsmall\n");
  EXPECT_THAT(succeed({"info", "all.cim"}), testing::Not(HasSubstr("tombstones")));
}

TEST_F(MergeCommand, MarksAreShown) {
  mark_middle();
  EXPECT_THAT(succeed({"stat", "middle.cim", "d/gone"}),
              AllOf(HasSubstr("Type: character special file"),
                    HasSubstr("Tombstone: hides what images below have here")));
  EXPECT_THAT(succeed({"stat", "middle.cim", "d/small"}),
              AllOf(HasSubstr("Type: symbolic link"), HasSubstr("Merge link: both")));
  EXPECT_THAT(succeed({"stat", "--json", "middle.cim", "d/gone"}),
              HasSubstr("\"tombstone\": true"));
  EXPECT_THAT(succeed({"stat", "--json", "middle.cim", "bulk"}),
              AllOf(HasSubstr("\"merge_link\": \"d/large\""), HasSubstr("\"tombstone\": false")));
  EXPECT_THAT(succeed({"ls", "-l", "middle.cim", "d"}), HasSubstr("small -> ../both"));
  EXPECT_THAT(succeed({"info", "middle.cim"}), HasSubstr("tombstones: 1\nmerge links: 2\n"));
  EXPECT_THAT(succeed({"info", "--json", "middle.cim"}), HasSubstr("\"merge_links\": 2"));
}

TEST_F(MergeCommand, AMergedImageNeedsTheFilesOfAll) {
  merge();
  const auto before = files();
  for (const char* image : {"base.cim", "middle.cim", "top.cim"}) fs::remove(path(image));
  cim({"gc", "."});
  auto expected = before;
  for (const char* image : {"base.cim", "middle.cim", "top.cim"}) expected.erase(image);
  EXPECT_EQ(files(), expected);
  EXPECT_TRUE(is_intact("all.cim"));
  fs::create_directory(path("other"));
  succeed({"cp", "all.cim", "other"});
  EXPECT_TRUE(is_intact("other/all.cim"));
  fs::remove_all(path("other"));
  fs::create_directory(path("other"));
  succeed({"mv", "all.cim", "other/moved.cim"});
  EXPECT_EQ(files(), std::set<std::string>());
  EXPECT_TRUE(is_intact("other/moved.cim"));
  EXPECT_EQ(succeed({"cat", "other/moved.cim", "link"}), "top");
}

TEST_F(MergeCommand, OtherCommandsTakeMergedImages) {
  merge();
  EXPECT_THAT(succeed({"ls", "."}), HasSubstr("all.cim     base.cim, middle.cim, top.cim"));
  succeed({"create", "fork.cim", "--from", "all.cim"});
  succeed({"rm", "fork.cim", "d/large"});
  EXPECT_TRUE(is_intact("fork.cim"));
  EXPECT_EQ(cim({"diff", "all.cim", "fork.cim"}).out, "removed d/large\n");
  EXPECT_THAT(cim({"diff", "base.cim", "all.cim"}).out,
              AllOf(HasSubstr("changed content,time both\n"),
                    HasSubstr("added d/new\nadded link\n"), testing::Not(HasSubstr("removed"))));
  EXPECT_THAT(succeed({"du", "all.cim"}), HasSubstr("./d\n"));
  succeed({"extract", "all.cim", "out"});
  EXPECT_EQ(read("out/d/large"), std::string(70000, 'b'));
  EXPECT_EQ(read("out/link"), "top");
  EXPECT_EQ(cim({"diff", "all.cim", "out"}).out, "");
}

TEST_F(MergeCommand, CanBeMounted) {
  if (!FileDescriptor(open("/dev/fuse", O_RDWR | O_CLOEXEC))) GTEST_SKIP() << "needs /dev/fuse";
  mark_middle();
  merge();
  succeed({"mount", "all.cim", "mnt"});
  EXPECT_EQ(read("mnt/d/large"), std::string(70000, 'b'));
  EXPECT_EQ(read("mnt/d/small"), "middle");
  EXPECT_EQ(std::filesystem::hard_link_count(path("mnt/bulk")), 2u);
  EXPECT_FALSE(fs::exists(path("mnt/d/gone")));
  EXPECT_EQ(fail({"merge", "-f", "all.cim", "top.cim", "base.cim"}), "cim: all.cim: is mounted");
  succeed({"umount", "mnt"});
}

TEST_F(MergeCommand, ReplacesOnlyIfForced) {
  merge();
  EXPECT_EQ(fail({"merge", "all.cim", "top.cim", "base.cim"}),
            "cim: all.cim: exists already; --force replaces it");
  const auto before = files();
  succeed({"merge", "--force", "all.cim", "base.cim"});
  EXPECT_EQ(succeed({"cat", "all.cim", "both"}), "base");
  EXPECT_EQ(files().size(), before.size());
  // Also in the place of one of those that are merged.
  succeed({"merge", "--force", "top.cim", "top.cim", "base.cim"});
  EXPECT_TRUE(is_intact("top.cim"));
  EXPECT_EQ(succeed({"cat", "top.cim", "both"}), "top");
  EXPECT_EQ(succeed({"cat", "top.cim", "d/gone"}), "1");
  succeed({"merge", "--force", "base.cim", "middle.cim", "base.cim"});
  EXPECT_TRUE(is_intact("base.cim"));
  EXPECT_EQ(succeed({"cat", "base.cim", "both"}), "middle");
}

TEST_F(MergeCommand, RefusesImagesInOtherDirectories) {
  fs::create_directory(path("other"));
  succeed({"cp", "base.cim", "other"});
  const auto before = files();
  const auto result = cim({"merge", "all.cim", "top.cim", "other/base.cim"});
  EXPECT_EQ(result.status, 2);
  EXPECT_EQ(
      result.err,
      "cim: LAYER_IMAGE: other/base.cim is not in the directory of all.cim, which would share "
      "its files\n");
  fs::create_symlink("other/base.cim", path("link.cim"));
  EXPECT_EQ(cim({"merge", "all.cim", "top.cim", "link.cim"}).status, 2);
  fs::remove(path("link.cim"));
  EXPECT_EQ(files(), before);
  fs::create_symlink("base.cim", path("link.cim"));
  succeed({"merge", "all.cim", "top.cim", "link.cim"});
  EXPECT_TRUE(is_intact("all.cim"));
}

TEST_F(MergeCommand, SaysWhatIsWrongWithAnImage) {
  const auto refuse = [&](const std::string& message) {
    const auto before = files();
    for (const auto& [first, second] : {std::pair{"top.cim", "bad.cim"}, {"bad.cim", "top.cim"}}) {
      EXPECT_THAT(fail({"merge", "all.cim", first, second}), HasSubstr(message));
    }
    EXPECT_EQ(files(), before);
  };
  refuse("bad.cim: No such file or directory");
  write("bad.cim", "");
  refuse("bad.cim: is not a composite image: 0 bytes, shorter than its header");
  fs::copy_file(path("middle.cim"), path("bad.cim"), fs::copy_options::overwrite_existing);
  fs::resize_file(region("metadata", "middle.cim"), 100);
  refuse("bad.cim: ");
  fs::remove(region("small data", "base.cim"));
  fs::copy_file(path("base.cim"), path("bad.cim"), fs::copy_options::overwrite_existing);
  refuse("No such file or directory");
  EXPECT_EQ(cim({"merge", "all.cim"}).status, 2);
}

TEST_F(MergeCommand, AFaultLeavesTheOldImageOrTheNewOne) {
  merge();
  write("change/both", "changed");
  succeed({"create", "change.cim", "change"});
  const auto before = files();
  const std::string contents = all_contents();
  int succeeded = 0;
  for (const char* kind : {"ENOSPC", "EIO", "kill"}) {
    for (int call = 1; call < 100; ++call) {
      SCOPED_TRACE(testing::Message() << kind << " at " << call);
      Result result;
      {
        const FileFault fault(kind, call, path("log"));
        result = cim({"merge", "-f", "all.cim", "change.cim", "top.cim", "base.cim"});
      }
      const bool struck = read("log").find("fault") != std::string::npos;
      fs::remove(path("log"));
      EXPECT_TRUE(is_intact("all.cim"));
      const std::string both = succeed({"cat", "all.cim", "both"});
      EXPECT_THAT(both, AnyOf("top", "changed"));
      EXPECT_EQ(succeed({"cat", "base.cim", "both"}), "base");
      if (result.status == 0) {
        EXPECT_EQ(both, "changed");
      }
      succeed({"merge", "-f", "all.cim", "top.cim", "middle.cim", "base.cim"});
      cim({"gc", "."});
      EXPECT_EQ(files(), before);
      if (!struck) break;
      ++succeeded;
    }
  }
  EXPECT_EQ(all_contents(), contents);
  EXPECT_GT(succeeded, 30);
}

}  // namespace
}  // namespace cim::cli
