// The differences between two trees, each on disk or in an image.
#include "transfer/tree_comparison.h"

#include <algorithm>
#include <array>

#include <boost/filesystem.hpp>
#include <cim/writer.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "support/image_content.h"
#include "support/temporary_directory.h"
#include "transfer/import.h"
#include "tree.h"

namespace cim::transfer {
namespace {

namespace fs = boost::filesystem;

// "+path", "-path", or "path: aspects", with aspects as numbers.
std::string describe(const Difference& difference) {
  switch (difference.kind) {
    case Difference::Kind::added:
      return "+" + difference.path;
    case Difference::Kind::removed:
      return "-" + difference.path;
    case Difference::Kind::changed:
      break;
  }
  static constexpr std::array names = {"type",  "content", "target", "device", "mode",
                                       "owner", "time",    "xattrs", "links"};
  std::string text = difference.path + ":";
  for (const Aspect aspect : difference.aspects) {
    text += std::string(" ") + names.at(static_cast<std::size_t>(aspect));
  }
  return text;
}

using Differences = std::vector<std::string>;

Differences compare(const std::string& old_path, const std::string& new_path) {
  const auto old_tree = open_tree(old_path);
  const auto new_tree = open_tree(new_path);
  TreeComparison comparison(*old_tree, *new_tree);
  Differences found;
  while (const auto difference = comparison.next()) found.push_back(describe(*difference));
  return found;
}

// These files have size 0, so sizes do not distinguish them from empty files.
TEST(ComparisonOfMadeUpFiles, GoesByWhatThereIsToRead) {
  const std::string made_up = "/proc/sys/kernel/random";
  if (!fs::exists(made_up + "/boot_id")) GTEST_SKIP() << "no " << made_up;
  const test::TemporaryDirectory directory;
  fs::create_directory(directory / "empty");
  for (const auto& entry : fs::directory_iterator(made_up)) {
    write_file(directory / ("empty/" + entry.path().filename().string()), "");
  }
  const std::string image = make_image(directory.string(), "image.cim", directory / "empty");
  for (const std::string& empty : {directory / "empty", image}) {
    const Differences differences = compare(empty, made_up);
    const auto has_other_content = [](const std::string& difference) {
      return difference.starts_with("boot_id: content");
    };
    EXPECT_TRUE(std::ranges::any_of(differences, has_other_content)) << empty;
  }
}

TEST(ComparisonOfADirectory, PassesOverWhatAWriterHasNotNamedYet) {
  const test::TemporaryDirectory directory;
  const std::string tree = directory / "tree";
  fs::create_directory(tree);
  fs::last_write_time(tree, 1);
  const std::string image = make_image(directory.string(), "image.cim", tree);
  write_file(tree + "/.cimfs-0123456789abcdef.tmp", "");
  fs::last_write_time(tree, 1);
  EXPECT_EQ(compare(image, tree), Differences{});
}

// Two trees, `old` and `new`, that start equal and are then changed.
class Comparison : public testing::Test {
 protected:
  Comparison() {
    for (const char* tree : {"old", "new"}) {
      fs::create_directory(directory_ / tree);
      fs::create_directory(at(tree, "d"));
      write_file(at(tree, "d/file"), "content");
      write_file(at(tree, "d.x"), "content");
      fs::create_symlink("target", at(tree, "link"));
    }
  }

  std::string at(const std::string& tree, const std::string& name) const {
    return directory_ / tree + "/" + name;
  }
  std::string in_old(const std::string& name) const { return at("old", name); }
  std::string in_new(const std::string& name) const { return at("new", name); }

  // The differences, which must be the same for trees on disk and in images. Sets all times to the
  // same value first, except that of `late`.
  Differences differences(const std::string& late = {}) const {
    for (const char* tree : {"old", "new"}) {
      for (const auto& entry : fs::recursive_directory_iterator(directory_ / tree)) {
        set_time(entry.path().string(), 0);
      }
      set_time(directory_ / tree, 0);
    }
    if (!late.empty()) set_time(in_new(late), 100);
    const std::string old_tree = directory_ / "old";
    const std::string new_tree = directory_ / "new";
    const std::string old_image = make_image(directory_.string(), "old.cim", old_tree);
    const std::string new_image = make_image(directory_.string(), "new.cim", new_tree);
    const Differences found = compare(old_tree, new_tree);
    EXPECT_EQ(compare(old_image, new_image), found);
    EXPECT_EQ(compare(old_image, new_tree), found);
    EXPECT_EQ(compare(old_tree, new_image), found);
    return found;
  }

  // The options of a Writer for fork.cim, a fork of `parent`.
  Writer::Options fork_of(const std::string& parent) const {
    Writer::Options options = new_image(directory_.string(), "fork.cim");
    options.existing = parent;
    return options;
  }

  static void set_time(const std::string& path, long nanoseconds) {
    const timespec time = {1000000000, nanoseconds};
    const std::array times = {time, time};
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times.data(), AT_SYMLINK_NOFOLLOW), 0) << path;
  }

  const test::TemporaryDirectory directory_;
};

TEST_F(Comparison, FindsNothingInEqualTrees) { EXPECT_EQ(differences(), Differences{}); }

TEST_F(Comparison, NamesEveryPathBelowWhatWasAddedAndRemoved) {
  fs::create_directories(in_new("d/sub/sub"));
  write_file(in_new("d/sub/file"), "");
  fs::remove(in_new("d.x"));
  EXPECT_EQ(differences(), (Differences{"+d/sub", "+d/sub/file", "+d/sub/sub", "-d.x"}));
}

TEST_F(Comparison, OrdersNamesThatAnImageHasInAnotherOrder) {
  // Sorted by bytes and also as in an image: `:` is U+F03A there, after all letters.
  for (const char* name : {"a:b", "aab", "a\xFF", "a\U0001F600"}) write_file(in_new(name), "");
  EXPECT_EQ(differences(), (Differences{"+a:b", "+aab", "+a\U0001F600", "+a\xFF"}));
}

TEST_F(Comparison, FindsAChangedByteOfTheSameSize) {
  write_file(in_new("d/file"), "contenT");
  EXPECT_EQ(differences(), Differences{"d/file: content"});
}

TEST_F(Comparison, FindsAChangedByteAfterTheFirstMebibyte) {
  std::string content(3 << 20, 'x');
  write_file(in_old("d/file"), content);
  content.back() = 'y';
  write_file(in_new("d/file"), content);
  EXPECT_EQ(differences(), Differences{"d/file: content"});
}

TEST_F(Comparison, FindsOtherSizes) {
  write_file(in_new("d/file"), "");
  EXPECT_EQ(differences(), Differences{"d/file: content"});
}

TEST_F(Comparison, TakesHolesForZeros) {
  constexpr off_t size = 4 << 20;
  write_file(in_old("d/file"), std::string(size, '\0'));
  write_file(in_new("d/file"), "");
  fs::resize_file(in_new("d/file"), size);
  EXPECT_EQ(differences(), Differences{});
}

TEST_F(Comparison, FindsDataInTheMiddleOfAHole) {
  constexpr off_t size = off_t{1} << 40;
  for (const std::string& file : {in_old("d/file"), in_new("d/file")}) fs::resize_file(file, size);
  const int fd = open(in_new("d/file").c_str(), O_WRONLY | O_CLOEXEC);
  ASSERT_EQ(pwrite(fd, "x", 1, size / 2), 1);
  close(fd);
  EXPECT_EQ(differences(), Differences{"d/file: content"});
}

TEST_F(Comparison, FindsOtherModesAndTargets) {
  chmod(in_new("d").c_str(), 02700);
  chmod(in_new("d/file").c_str(), 04711);
  fs::remove(in_new("link"));
  fs::create_symlink("tarGet", in_new("link"));
  EXPECT_EQ(differences(), (Differences{"d: mode", "d/file: mode", "link: target"}));
}

TEST_F(Comparison, FindsTimesThatDifferBy100Nanoseconds) {
  EXPECT_EQ(differences("link"), Differences{"link: time"});
}

TEST_F(Comparison, FindsOtherXattrs) {
  if (setxattr(in_new("d/file").c_str(), "user.name", "value", 5, 0) != 0) {
    GTEST_SKIP() << "no extended attributes in the temporary directory";
  }
  setxattr(in_old("d.x").c_str(), "user.name", "old", 3, 0);
  setxattr(in_new("d.x").c_str(), "user.name", "new", 3, 0);
  EXPECT_EQ(differences(), (Differences{"d/file: xattrs", "d.x: xattrs"}));
}

TEST_F(Comparison, FindsOtherStreamsThatAreTooLargeForAnXattr) {
  const std::string content(200000, 'x');
  for (const char* name : {"a.cim", "b.cim", "c.cim"}) {
    Writer writer(new_image(directory_.string(), name));
    writer.create_directory(u"", {});
    test::put(writer, u"file", "");
    WriteStream stream = writer.create_named_stream(u"file", u"stream", content.size());
    stream.write(test::bytes(*name == 'c' ? content.substr(1) + "y" : content));
    stream.close();
    writer.commit();
  }
  EXPECT_EQ(compare(directory_ / "a.cim", directory_ / "b.cim"), Differences{});
  EXPECT_EQ(compare(directory_ / "a.cim", directory_ / "c.cim"), Differences{"file: xattrs"});
}

TEST_F(Comparison, FindsOtherOwnersAndDevices) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  ASSERT_EQ(lchown(in_new("link").c_str(), 1, 0), 0);
  ASSERT_EQ(lchown(in_new("d.x").c_str(), 0, 1), 0);
  ASSERT_EQ(mknod(in_old("null").c_str(), S_IFCHR | 0600, makedev(1, 3)), 0);
  ASSERT_EQ(mknod(in_new("null").c_str(), S_IFCHR | 0600, makedev(1, 5)), 0);
  EXPECT_EQ(differences(), (Differences{"d.x: owner", "link: owner", "null: device"}));
}

TEST_F(Comparison, ComparesNothingElseOfAnotherType) {
  fs::remove(in_new("d.x"));
  fs::create_symlink("d", in_new("d.x"));
  fs::remove_all(in_new("d"));
  write_file(in_new("d"), "");
  EXPECT_EQ(differences(), (Differences{"d: type", "-d/file", "d.x: type"}));
}

TEST_F(Comparison, FindsLinksThatAreCopiesOnTheOtherSide) {
  write_file(in_old("other"), "content");
  fs::create_hard_link(in_new("d/file"), in_new("other"));
  EXPECT_EQ(differences(), Differences{"other: links"});
}

TEST_F(Comparison, FindsLinksToAnotherFile) {
  for (const char* tree : {"old", "new"}) write_file(at(tree, "e"), "content");
  fs::create_hard_link(in_old("d/file"), in_old("other"));
  fs::create_hard_link(in_new("e"), in_new("other"));
  EXPECT_EQ(differences(), Differences{"other: links"});
}

TEST_F(Comparison, DoesNotBlameOtherNamesForOneThatWasRemoved) {
  for (const char* tree : {"old", "new"}) {
    fs::create_hard_link(at(tree, "d/file"), at(tree, "one"));
    fs::create_hard_link(at(tree, "d/file"), at(tree, "two"));
  }
  fs::remove(in_new("d/file"));
  EXPECT_EQ(differences(), Differences{"-d/file"});
}

TEST_F(Comparison, FindsWhatAForkChanged) {
  fs::create_hard_link(in_old("d/file"), in_old("linked"));
  set_time(in_old("d/file"), 0);
  set_time(in_old("d.x"), 0);
  const std::string parent = make_image(directory_.string(), "parent.cim", in_old(""));
  Writer writer(fork_of("parent.cim"));
  RecordingProgress progress;
  writer.remove(u"link");
  writer.create_hard_link(u"again", u"d\\file");
  import_tree(writer, in_old("d.x"), u"linked", {}, progress);  // equal, but not the same file
  import_tree(writer, in_old("link"), u"new", {}, progress);
  writer.commit();
  EXPECT_EQ(compare(parent, directory_ / "fork.cim"),
            (Differences{"+again", "-link", "linked: links", "+new"}));
}

// The parent's data cannot be read, so a comparison byte by byte would fail.
TEST_F(Comparison, ReadsNoDataThatAForkShares) {
  const std::string parent = make_image(directory_.string(), "parent.cim", in_old(""));
  Writer writer(fork_of("parent.cim"));
  test::put(writer, u"new", "");
  writer.commit();
  const auto old_tree = open_tree(parent);
  const auto new_tree = open_tree(directory_ / "fork.cim");
  for (const RegionSetInfo& set : Image(parent).region_sets()) {
    for (const RegionInfo& region : set.regions) {
      if (region.type != RegionType::metadata) fs::resize_file(region.path, 40);
    }
  }
  TreeComparison comparison(*old_tree, *new_tree);
  EXPECT_EQ(describe(comparison.next().value()), "+new");
  EXPECT_FALSE(comparison.next());
}

// The names are the same, and a stream whose name an attribute has counts too.
TEST_F(Comparison, FindsOtherStreamsThatNoXattrHolds) {
  for (const std::string name : {"large", "taken", "long"}) {
    SCOPED_TRACE(name);
    for (const std::string side : {"old-", "new-"}) {
      Writer writer(new_image(directory_.string(), side + name + ".cim"));
      put_with_streams(writer, u"file", "text");
      const std::string stream = name == "long" ? long_stream_name : name;
      const std::uint64_t size = stream == "large" ? 70000 : 10;
      writer.create_named_stream(u"file", linux_to_image_name(stream), size)
          .write(test::bytes(side));
      writer.commit();
    }
    const auto image = [&](const std::string& side) {
      return (directory_.path() / (side + name + ".cim")).string();
    };
    EXPECT_EQ(compare(image("old-"), image("new-")), Differences{"file: xattrs"});
    EXPECT_EQ(compare(image("old-"), image("old-")), Differences());
  }
}

TEST_F(Comparison, RefusesWhatIsNoTree) {
  EXPECT_THROW(open_tree(directory_ / "missing"), Error);
  EXPECT_THROW(open_tree("/dev/null"), Error);
  EXPECT_THROW(open_tree(in_old("d.x")), Error);
}

}  // namespace
}  // namespace cim::transfer
