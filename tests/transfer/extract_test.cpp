// Images, good and hostile, extracted to places where something is already.
#include "transfer/extract.h"

#include <chrono>
#include <thread>

#include <boost/filesystem.hpp>
#include <cim/image.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/posix_acl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "format/layout.h"
#include "image/file_descriptor.h"
#include "posix/acl.h"
#include "support/image_content.h"
#include "support/temporary_directory.h"
#include "tree.h"

namespace cim::transfer {
namespace {

namespace fs = boost::filesystem;

class Extract : public testing::Test {
 protected:
  Extract() {
    fs::create_directory(source());
    fs::create_directory(directory_ / "images");
    fs::create_directory(outside());
  }

  std::string source() const { return directory_ / "source"; }
  std::string source(const std::string& name) const { return source() + "/" + name; }
  std::string outside() const { return directory_ / "outside"; }
  std::string destination() const { return directory_ / "destination"; }
  std::string destination(const std::string& name) const { return destination() + "/" + name; }

  Image image() { return Image(make_image(directory_ / "images", "image.cim", source())); }

  // The Error that extracting `image` ends with.
  Error failure(const Image& image, const Selection& selection = {}) {
    try {
      extract(image, destination(), selection, progress_);
    } catch (const Error& error) {
      return error;
    }
    return Error(Errc::invalid_argument, "(none)");
  }

  const test::TemporaryDirectory directory_;
  RecordingProgress progress_;
};

mode_t mode_of(const std::string& path) {
  struct stat status = {};
  return lstat(path.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
}

// Overwrites `size` bytes of the metadata of `image` at `offset` bytes into the object that lies at
// `object`, as another writer, or an attacker, could have.
void overwrite(const Image& image, format::RegionOffset object, std::uint64_t offset,
               const void* bytes, std::size_t size) {
  std::vector<std::string> regions;
  for (const RegionSetInfo& set : image.region_sets()) {
    for (const RegionInfo& region : set.regions) regions.push_back(region.path);
  }
  const FileDescriptor fd(
      open(regions.at(format::region_index(object)).c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(pwrite(fd.get(), bytes, size, static_cast<off_t>(format::byte_offset(object) + offset)),
            static_cast<ssize_t>(size));
}

TEST_F(Extract, ReplacesFilesAndMergesDirectories) {
  fs::create_directory(source("d"));
  write_file(source("d/file"), "new");
  fs::create_directories(destination("d"));
  write_file(destination("d/file"), "old");
  write_file(destination("d/other"), "other");
  extract(image(), destination(), {}, progress_);
  EXPECT_EQ(read_file(destination("d/file")), "new");
  EXPECT_EQ(read_file(destination("d/other")), "other");
}

TEST_F(Extract, ReplacesALinkInThePlaceOfADirectoryInsteadOfFollowingIt) {
  fs::create_directory(source("d"));
  write_file(source("d/file"), "x");
  fs::create_directory(destination());
  fs::create_symlink(outside(), destination("d"));
  extract(image(), destination(), {}, progress_);
  EXPECT_TRUE(fs::is_empty(outside()));
  EXPECT_EQ(read_file(destination("d/file")), "x");
  EXPECT_FALSE(fs::is_symlink(destination("d")));
}

TEST_F(Extract, ReplacesALinkInThePlaceOfAFileInsteadOfFollowingIt) {
  write_file(source("file"), "new");
  write_file(outside() + "/victim", "untouched");
  fs::create_directory(destination());
  fs::create_symlink(outside() + "/victim", destination("file"));
  extract(image(), destination(), {}, progress_);
  EXPECT_EQ(read_file(outside() + "/victim"), "untouched");
  EXPECT_EQ(read_file(destination("file")), "new");
}

TEST_F(Extract, DoesNotFollowALinkOfTheImage) {
  fs::create_symlink(outside(), source("link"));
  fs::create_directory(source("z"));
  const Image made = image();
  extract(made, destination(), {}, progress_);
  extract(made, destination(), {}, progress_);
  EXPECT_TRUE(fs::is_empty(outside()));
  EXPECT_EQ(fs::read_symlink(destination("link")), outside());
}

TEST_F(Extract, WritesToANewFileWhenTheOldOneHasOtherLinks) {
  write_file(source("file"), "new");
  fs::create_directory(destination());
  write_file(outside() + "/victim", "untouched");
  fs::create_hard_link(outside() + "/victim", destination("file"));
  extract(image(), destination(), {}, progress_);
  EXPECT_EQ(read_file(outside() + "/victim"), "untouched");
}

TEST_F(Extract, RefusesADirectoryInThePlaceOfAFile) {
  write_file(source("name"), "x");
  fs::create_directories(destination("name/below"));
  const Error error = failure(image());
  EXPECT_EQ(error.code(), Errc::is_a_directory) << error.what();
  EXPECT_EQ(std::string(error.what()), destination("name") + ": Is a directory");
  EXPECT_TRUE(fs::exists(destination("name/below")));
}

TEST_F(Extract, GivesAnEmptyDestinationTheMetadataOfTheRoot) {
  ASSERT_EQ(chmod(source().c_str(), 0751), 0);
  fs::create_directory(destination());
  extract(image(), destination(), {}, progress_);
  EXPECT_EQ(snapshot(destination()), snapshot(source()));
}

TEST_F(Extract, LeavesTheMetadataOfADestinationInUse) {
  ASSERT_EQ(chmod(source().c_str(), 0700), 0);
  fs::create_directory(destination());
  ASSERT_EQ(chmod(destination().c_str(), 01777), 0);
  write_file(destination("somebody's"), "x");
  extract(image(), destination(), {}, progress_);
  EXPECT_EQ(mode_of(destination()), 01777U);
}

// The lengths of the lists of extended attributes of `paths` added up.
std::size_t listed_xattrs(const std::vector<std::string>& paths) {
  std::size_t size = 0;
  for (const std::string& path : paths) {
    const ssize_t listed = llistxattr(path.c_str(), nullptr, 0);
    EXPECT_GE(listed, 0) << path;
    size += static_cast<std::size_t>(listed);
  }
  return size;
}

TEST_F(Extract, KeepsOutTheAccessControlListThatTheDestinationHandsDown) {
  fs::create_directory(source("d"));
  write_file(source("d/file"), "x");
  write_file(source("file"), "x");
  fs::create_directory(destination());
  const std::string acl = posix::encode_acl({{.tag = ACL_USER_OBJ, .permissions = ACL_READ},
                                             {.tag = ACL_USER, .id = 12345, .permissions = 7},
                                             {.tag = ACL_GROUP_OBJ, .permissions = 0},
                                             {.tag = ACL_MASK, .permissions = 7},
                                             {.tag = ACL_OTHER, .permissions = 0}});
  if (setxattr(destination().c_str(), posix::default_acl_xattr.data(), acl.data(), acl.size(), 0)) {
    GTEST_SKIP() << "no access control lists in " << destination();
  }
  write_file(destination("in-use"), "x");
  ASSERT_GT(listed_xattrs({destination("in-use")}), 0U);
  extract(image(), destination(), {}, progress_);
  EXPECT_EQ(listed_xattrs({destination("d"), destination("d/file"), destination("file")}), 0U);
  EXPECT_EQ(mode_of(destination("d/file")), mode_of(source("d/file")));
  EXPECT_GT(listed_xattrs({destination()}), 0U);
}

TEST_F(Extract, ExtractsOnlyTheSelection) {
  fs::create_directories(source("a/b"));
  write_file(source("a/b/wanted"), "x");
  write_file(source("a/b/unwanted"), "x");
  write_file(source("a/unwanted"), "x");
  fs::create_directories(source("whole/below"));
  fs::create_directory(source("unwanted"));
  extract(image(), destination(), {u"a\\b\\wanted", u"whole"}, progress_);
  std::vector<std::string> found;
  for (const auto& [path, description] : snapshot(destination())) found.push_back(path);
  const std::vector<std::string> expected = {"",       "/a",          "/a/b", "/a/b/wanted",
                                             "/whole", "/whole/below"};
  EXPECT_EQ(found, expected);
}

TEST_F(Extract, TakesOverlappingSelectionsOnce) {
  fs::create_directory(source("d"));
  write_file(source("d/file"), "x");
  fs::create_hard_link(source("d/file"), source("d/second"));
  extract(image(), destination(), {u"d\\file", u"d", u"d\\file"}, progress_);
  EXPECT_EQ(fs::hard_link_count(destination("d/file")), 2U);
  EXPECT_EQ(progress_.done.files, 4U);
}

TEST_F(Extract, UsesTheNamesOfACaseInsensitiveImage) {
  Writer::Options options = new_image(directory_ / "images", "image.cim");
  options.case_insensitive = true;
  Writer writer(options);
  writer.create_directory(u"Program Files", {});
  test::put(writer, u"Program Files\\ReadMe", "x");
  writer.commit();
  extract(Image(directory_ / "images/image.cim"), destination(), {u"PROGRAM FILES\\readme"},
          progress_);
  EXPECT_EQ(read_file(destination("Program Files/ReadMe")), "x");
}

TEST_F(Extract, NamesAPathOfTheSelectionThatIsMissing) {
  const Error error = failure(image(), {u"no\\such"});
  EXPECT_EQ(error.code(), Errc::file_not_found);
  EXPECT_EQ(std::string(error.what()),
            directory_ / "images/image.cim: no/such: no such file or directory");
}

TEST_F(Extract, WarnsOfAHardLinkThatCannotBe) {
  write_file(source("a"), "x");
  fs::create_directory(source("b"));
  fs::create_hard_link(source("a"), source("b/a"));
  const Image made = image();
  // Another file takes the place of the first copy before the second is linked to it.
  struct Remover : RecordingProgress {
    void advance(const Amount&) override { fs::remove(first); }
    std::string first;
  } remover;
  remover.first = destination("a");
  extract(made, destination(), {}, remover);
  ASSERT_EQ(remover.warnings.size(), 1U);
  EXPECT_TRUE(remover.warnings[0].starts_with(destination("b/a") + ": hard link to a: "))
      << remover.warnings[0];
  EXPECT_EQ(read_file(destination("b/a")), "x");
}

TEST_F(Extract, EndsInADirectoryThatContainsItself) {
  fs::create_directories(source("a/b"));
  const Image made = image();
  const FileId root = made.root();
  overwrite(made, test::file_at(made, u"a").stream.region_offset, sizeof(format::LinkTableHeader),
            &root, sizeof(root));
  const Error error = failure(Image(made.path()));
  EXPECT_EQ(error.code(), Errc::corrupt);
  EXPECT_EQ(std::string(error.what()), made.path() + ": a/b: a directory has more than one name");
}

TEST_F(Extract, NeverLeavesTheDestinationForAHostileName) {
  write_file(source("xx"), "x");
  const Image made = image();
  const File root = made.file(made.root());
  // One entry: the header, its id, the offset of its name, the name's length and the name.
  const std::uint64_t name_offset = sizeof(format::LinkTableHeader) + 4 + 4 + 2;
  for (const std::u16string& name :
       {std::u16string(u".."), std::u16string(u"/x"), std::u16string(u"x/"), std::u16string(u"\\x"),
        std::u16string(2, u'\0')}) {
    char16_t units[2] = {};
    name.copy(units, 2);
    overwrite(made, root.stream.region_offset, name_offset, units, sizeof(units));
    const Error error = failure(Image(made.path()));
    EXPECT_EQ(error.code(), Errc::corrupt) << image_to_linux_name(name) << ": " << error.what();
    EXPECT_FALSE(fs::exists(destination()));
  }
  EXPECT_TRUE(fs::is_empty(outside()));
}

// As an image for a case-sensitive system is where names are folded: the link is there first.
TEST_F(Extract, DoesNotFollowALinkThatHasTheNameOfADirectory) {
  fs::create_symlink(outside(), source("a"));
  fs::create_directory(source("b"));
  write_file(source("b/file"), "x");
  const Image made = image();
  // Two entries: the header, ids, the offsets of the names, and the first name with its length.
  const std::uint64_t second_name = sizeof(format::LinkTableHeader) + 2 * 4 + 2 * 4 + 4 + 2;
  const char16_t a = u'a';
  overwrite(made, made.file(made.root()).stream.region_offset, second_name, &a, sizeof(a));
  extract(Image(made.path()), destination(), {}, progress_);
  EXPECT_EQ(read_file(destination("a/file")), "x");
  EXPECT_TRUE(fs::is_empty(outside()));
}

// Runs `attack` again and again while `action` runs.
template <typename Attack, typename Action>
void under_attack(Attack&& attack, Action&& action) {
  const std::jthread attacker([&](const std::stop_token& stop) {
    while (!stop.stop_requested()) attack();
  });
  action();
}

TEST_F(Extract, StaysInsideWhileDirectoriesTurnIntoLinks) {
  fs::create_directories(source("a/b"));
  write_file(source("a/b/file"), "x");
  fs::create_hard_link(source("a/b/file"), source("a/b/link"));
  fs::create_hard_link(source("a/b/file"), source("link"));
  const Image made = image();
  fs::create_directories(destination("a/b"));
  const std::string victim = destination("a");
  const std::string away = directory_ / "away";
  std::size_t extracted = 0;
  under_attack(
      [&] {
        if (rename(victim.c_str(), away.c_str()) != 0) return;
        if (symlink(outside().c_str(), victim.c_str()) == 0) unlink(victim.c_str());
        rename(away.c_str(), victim.c_str());
      },
      [&] {
        for (int i = 0; i < 500; ++i) {
          RecordingProgress progress;
          try {
            extract(made, destination(), {}, progress);
            ++extracted;
          } catch (const Error&) {
            // Rightly: what it had opened by one name is gone.
          }
        }
      });
  EXPECT_TRUE(fs::is_empty(outside()));
  EXPECT_GT(extracted, 0U);
}

// The moment between making and opening is short: one run in three or so meets it.
TEST_F(Extract, ChangesNoFileThatIsPutInThePlaceOfASpecialOne) {
  ASSERT_EQ(0, mkfifo(source("fifo").c_str(), 0600));
  ASSERT_EQ(0, chmod(source("fifo").c_str(), 0666));
  const Image made = image();
  fs::create_directory(destination());
  const std::string secret = outside() + "/secret";
  write_file(secret, "x");
  ASSERT_EQ(0, chmod(secret.c_str(), 0600));
  under_attack(
      [&, trap = outside() + "/trap"] {
        if (link(secret.c_str(), trap.c_str()) != 0) return;
        rename(trap.c_str(), destination("fifo").c_str());
      },
      [&] {
        const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(1);
        std::string message;
        while (message.find("another file") == std::string::npos &&
               std::chrono::steady_clock::now() < end) {
          message = failure(made).what();
        }
      });
  EXPECT_EQ(mode_of(secret), 0600U);
}

TEST_F(Extract, LeavesNoPartOfAFileThatCannotBeRead) {
  write_file(source("file"), std::string(1 << 20, 'x'));
  const Image made = image();
  for (const RegionSetInfo& set : made.region_sets()) {
    for (const RegionInfo& region : set.regions) {
      if (region.type == RegionType::data) fs::resize_file(region.path, 8192);
    }
  }
  EXPECT_EQ(failure(Image(made.path())).code(), Errc::corrupt);
  EXPECT_TRUE(fs::is_empty(destination()));
}

}  // namespace
}  // namespace cim::transfer
