// Images, good and hostile, extracted into directories that already have files.
#include "transfer/extract.h"

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <map>
#include <thread>
#include <utility>

#include <boost/filesystem.hpp>
#include <cim/image.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/posix_acl.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "format/layout.h"
#include "format/reparse.h"
#include "image/file_descriptor.h"
#include "image/forged_image.h"
#include "posix/acl.h"
#include "posix/linux_metadata.h"
#include "support/image_content.h"
#include "support/temporary_directory.h"
#include "tree.h"

namespace {

// Runs once between the creation of a special file and its opening.
std::function<void()> once_a_special_file_is_made;

}  // namespace

// Replaces the C library's function.
extern "C" int mknodat(int directory, const char* name, mode_t mode, dev_t device) noexcept {
  const long result = syscall(SYS_mknodat, directory, name, mode, static_cast<unsigned>(device));
  if (once_a_special_file_is_made) std::exchange(once_a_special_file_is_made, nullptr)();
  return static_cast<int>(result);
}

namespace cim::transfer {
namespace {

namespace fs = boost::filesystem;
using Names = std::vector<std::string>;

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

  // The Error that stops the extraction of `image`.
  Error failure(const Image& image, const Selection& selection = {}) {
    try {
      extract(image, destination(), {selection}, progress_);
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

// Overwrites `size` bytes of the metadata of `image`, `offset` bytes into the object at `object`,
// as another writer or an attacker could have done.
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

TEST_F(Extract, LeavesOutAFileInWhosePlaceADirectoryIs) {
  write_file(source("name"), "x");
  write_file(source("other"), "x");
  fs::create_directories(destination("name/below"));
  extract(image(), destination(), {}, progress_);
  EXPECT_EQ(progress_.warnings, Names{destination("name") + ": Is a directory; left out"});
  EXPECT_TRUE(fs::exists(destination("name/below")));
  EXPECT_EQ(read_file(destination("other")), "x");
}

TEST_F(Extract, LeavesOutNamesThatAreTooLongAndGoesOn) {
  const std::u16string long_name(255, u'\u20ac');
  const std::string too_long = image_to_linux_name(long_name);
  Writer writer(new_image(directory_ / "images", "image.cim"));
  writer.create_directory(u"", {});
  test::put(writer, u"a", "a");
  test::put(writer, long_name, "too long");
  writer.create_directory(u"d", {});
  writer.create_directory(u"d\\" + long_name, {});
  test::put(writer, u"d\\" + long_name + u"\\below", "below");
  test::put(writer, u"d\\z", "z");
  test::put(writer, u"\uffff", "last");
  writer.commit();
  extract(Image(directory_ / "images/image.cim"), destination(), {}, progress_);
  const std::string reason = ": File name too long; left out";
  EXPECT_EQ(progress_.warnings,
            (Names{destination("d/") + too_long + reason + ", with all that is below it",
                   destination(too_long) + reason}));
  EXPECT_EQ(read_file(destination("a")), "a");
  EXPECT_EQ(read_file(destination("d/z")), "z");
  EXPECT_EQ(read_file(destination("\uffff")), "last");
}

TEST_F(Extract, LinksTheNamesThatAFileCanHave) {
  const std::u16string long_name(255, u'\u20ac');
  Writer writer(new_image(directory_ / "images", "image.cim"));
  test::put(writer, long_name, "text");
  writer.create_hard_link(u"\uff01", long_name);
  writer.create_hard_link(u"\uff02", long_name);
  writer.create_hard_link(long_name.substr(1) + u'\uff03', long_name);
  writer.commit();
  extract(Image(directory_ / "images/image.cim"), destination(), {}, progress_);
  EXPECT_EQ(progress_.warnings.size(), 2U) << progress_.warnings.back();
  EXPECT_EQ(fs::hard_link_count(destination("\uff01")), 2U);
  EXPECT_EQ(read_file(destination("\uff02")), "text");
}

TEST_F(Extract, LeavesOutTargetsThatAreTooLong) {
  Writer writer(new_image(directory_ / "images", "image.cim"));
  const std::vector<std::byte> link = format::make_lx_symlink(std::string(5000, 't'));
  test::put(writer, u"a", "", {.reparse_data = link});
  test::put(writer, u"b", "text");
  writer.commit();
  extract(Image(directory_ / "images/image.cim"), destination(), {}, progress_);
  EXPECT_EQ(progress_.warnings, Names{destination("a") + ": File name too long; left out"});
  EXPECT_EQ(read_file(destination("b")), "text");
}

TEST_F(Extract, LeavesOutFilesThatAreTooLarge) {
  write_file(source("a"), std::string(1 << 20, 'x'));
  write_file(source("b"), "text");
  const Image made = image();
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before = {};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit limit = {.rlim_cur = 4096, .rlim_max = before.rlim_max};
  setrlimit(RLIMIT_FSIZE, &limit);
  const Error error = failure(made);
  setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_STREQ(error.what(), "(none)");
  EXPECT_EQ(progress_.warnings, Names{destination("a") + ": File too large; left out"});
  EXPECT_FALSE(fs::exists(destination("a")));
  EXPECT_EQ(read_file(destination("b")), "text");
}

TEST_F(Extract, EndsWhenTheDiskIsFull) {
  if (mkdir(destination().c_str(), 0755) != 0 ||
      mount("tmpfs", destination().c_str(), "tmpfs", 0, "size=64k") != 0) {
    GTEST_SKIP() << "this user may not mount a tmpfs";
  }
  write_file(source("a"), std::string(1 << 20, 'x'));
  write_file(source("b"), "text");
  const Error error = failure(image());
  umount2(destination().c_str(), MNT_DETACH);
  EXPECT_EQ(error.code(), Errc::disk_full) << error.what();
}

TEST_F(Extract, LeavesOutAttributesThatTheFileSystemRefuses) {
  posix::LinuxMetadata metadata;
  metadata.status.st_mode = S_IFREG | 0640;
  metadata.status.st_uid = geteuid();
  metadata.status.st_gid = getegid();
  metadata.xattrs = {{"of.no.namespace", "x"}};
  Writer writer(new_image(directory_ / "images", "image.cim"));
  test::put(writer, u"a", "text", posix::EncodedMetadata(metadata).get());
  writer.commit();
  extract(Image(directory_ / "images/image.cim"), destination(), {}, progress_);
  EXPECT_EQ(progress_.warnings, Names{destination("a") + ": extended attribute of.no.namespace: " +
                                      "Operation not supported; left out"});
  EXPECT_EQ(read_file(destination("a")), "text");
  EXPECT_EQ(mode_of(destination("a")), 0640U);
}

// An image whose root has two files of one name, as for a file system that treats two names as one.
std::string forge_twins(const std::string& directory) {
  test::ForgedImage forged;
  const format::File root = {.default_stream = forged.directory({{u"a", 2}, {u"b", 3}, {u"a", 4}}),
                             .parent = 1};
  std::vector<format::File> files = {root};
  for (const char* content : {"first", "b", "second"}) {
    files.push_back({.default_stream = forged.file_data(content), .parent = 1});
  }
  return forged.write(directory, files);
}

TEST_F(Extract, DoesNotReplaceOneFileOfTheImageByAnother) {
  const Image made(forge_twins(directory_ / "images"));
  for (const char* round : {"into nothing", "over what was extracted"}) {
    SCOPED_TRACE(round);
    progress_.warnings.clear();
    extract(made, destination(), {}, progress_);
    EXPECT_EQ(progress_.warnings,
              Names{destination("a") + ": another file has the name a here; left out"});
    EXPECT_EQ(read_file(destination("a")), "first");
    EXPECT_EQ(read_file(destination("b")), "b");
  }
}

TEST_F(Extract, GivesAnEmptyDestinationTheMetadataOfTheRoot) {
  ASSERT_EQ(chmod(source().c_str(), 0751), 0);
  fs::create_directory(destination());
  extract(image(), destination(), {}, progress_);
  EXPECT_EQ(snapshot(destination()), snapshot(source()));
}

TEST_F(Extract, GivesTheDestinationItsMetadataAgain) {
  ASSERT_EQ(chmod(source().c_str(), 0751), 0);
  write_file(source("file"), "x");
  fs::create_directory(source("d"));
  const Image source_image = image();
  extract(source_image, destination(), {}, progress_);
  fs::remove(destination("file"));
  ASSERT_EQ(chmod(destination().c_str(), 0700), 0);
  extract(source_image, destination(), {}, progress_);
  EXPECT_EQ(snapshot(destination()), snapshot(source()));
}

// Looks at the directories whose mode nobody else's rights may exceed while they are filled.
struct ModeWatch : RecordingProgress {
  void advance(const Amount& step) override {
    RecordingProgress::advance(step);
    for (auto& [path, mode] : modes) {
      if (mode == 0) mode = mode_of(path);
    }
  }
  std::map<std::string, mode_t> modes;  // when they were seen first
};

TEST_F(Extract, DirectoriesHaveNoMoreRightsBeforeTheyAreComplete) {
  for (const auto& [name, mode] : {std::pair("all", 01777), {"group", 0750}, {"closed", 0500}}) {
    fs::create_directory(source(name));
    write_file(source(name) + std::string("/file"), "x");
    ASSERT_EQ(chmod(source(name).c_str(), static_cast<mode_t>(mode)), 0);
  }
  fs::create_directory(source("list"));
  write_file(source("list/file"), "x");
  const std::string acl = posix::encode_acl({{.tag = ACL_USER_OBJ, .permissions = 7},
                                             {.tag = ACL_USER, .id = 12345, .permissions = 5},
                                             {.tag = ACL_GROUP_OBJ, .permissions = 0},
                                             {.tag = ACL_MASK, .permissions = 5},
                                             {.tag = ACL_OTHER, .permissions = 0}});
  const bool has_acl = setxattr(source("list").c_str(), posix::access_acl_xattr.data(), acl.data(),
                                acl.size(), 0) == 0;
  const bool is_root = geteuid() == 0;
  if (is_root) {
    for (const auto& [name, mode] : {std::pair("others", 0750), {"same", 0755}}) {
      fs::create_directory(source(name));
      write_file(source(name) + std::string("/file"), "x");
      ASSERT_EQ(chmod(source(name).c_str(), static_cast<mode_t>(mode)), 0);
      ASSERT_EQ(chown(source(name).c_str(), 12345, 12345), 0);
    }
  }
  ModeWatch watch;
  for (const char* name : {"all", "group", "closed", "list", "others", "same"}) {
    watch.modes[destination(name)] = 0;
  }
  extract(image(), destination(), {}, watch);
  EXPECT_EQ(watch.modes[destination("all")], 0755U);
  EXPECT_EQ(watch.modes[destination("group")], 0750U);
  EXPECT_EQ(watch.modes[destination("closed")], 0700U);
  if (has_acl) {
    EXPECT_EQ(watch.modes[destination("list")], 0700U);
  }
  if (is_root) {
    EXPECT_EQ(watch.modes[destination("others")], 0700U);
  }
  if (is_root) {
    EXPECT_EQ(watch.modes[destination("same")], 0755U);
  }
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

// The total length of the lists of extended attributes of `paths`.
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
  const std::string acl = posix::encode_acl({{.tag = ACL_USER_OBJ, .permissions = 7},
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
  extract(image(), destination(), {{{u"a\\b\\wanted", u"whole"}}}, progress_);
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
  extract(image(), destination(), {{{u"d\\file", u"d", u"d\\file"}}}, progress_);
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
  extract(Image(directory_ / "images/image.cim"), destination(), {{{u"PROGRAM FILES\\readme"}}},
          progress_);
  EXPECT_EQ(read_file(destination("Program Files/ReadMe")), "x");
}

TEST_F(Extract, NamesAPathOfTheSelectionThatIsMissing) {
  const Error error = failure(image(), {{u"no\\such"}});
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

// Like an image for a case-sensitive system where case is ignored: the link comes first.
TEST_F(Extract, DoesNotFollowALinkThatHasTheNameOfADirectory) {
  fs::create_symlink(outside(), source("a"));
  write_file(source("b"), "x");
  fs::create_directory(source("c"));
  write_file(source("c/file"), "x");
  const Image made = image();
  // Three entries: the header, ids, the offsets of the names, and the first two names, each with
  // its length before it.
  const std::uint64_t third_name = sizeof(format::LinkTableHeader) + 3 * 4 + 3 * 4 + 2 * 4 + 2;
  const char16_t a = u'a';
  overwrite(made, made.file(made.root()).stream.region_offset, third_name, &a, sizeof(a));
  extract(Image(made.path()), destination(), {}, progress_);
  EXPECT_EQ(progress_.warnings, Names{destination("a") + ": another file has the name a here; " +
                                      "left out, with all that is below it"});
  EXPECT_EQ(fs::read_symlink(destination("a")), outside());
  EXPECT_TRUE(fs::is_empty(outside()));
}

// Runs `attack` repeatedly while `action` runs.
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
            // This is correct: a file that it had opened by name is gone.
          }
        }
      });
  EXPECT_TRUE(fs::is_empty(outside()));
  EXPECT_GT(extracted, 0U);
}

TEST_F(Extract, ChangesNoFileThatIsPutInThePlaceOfASpecialOne) {
  ASSERT_EQ(0, mkfifo(source("fifo").c_str(), 0600));
  ASSERT_EQ(0, chmod(source("fifo").c_str(), 0666));
  const Image made = image();
  fs::create_directory(destination());
  const std::string secret = outside() + "/secret";
  write_file(secret, "x");
  ASSERT_EQ(0, chmod(secret.c_str(), 0600));
  const std::string trap = outside() + "/trap";
  ASSERT_EQ(0, link(secret.c_str(), trap.c_str()));
  once_a_special_file_is_made = [&] {
    EXPECT_EQ(0, rename(trap.c_str(), destination("fifo").c_str()));
  };
  const Error error = failure(made);
  EXPECT_EQ(error.code(), Errc::access_denied);
  EXPECT_EQ(error.what(), destination("fifo") + ": another file has been put into its place");
  EXPECT_EQ(mode_of(secret), 0600U);
}

class ExtractStreams : public Extract {
 protected:
  // Extracts an image of a file and a directory with streams; `build` adds files to it.
  template <typename Build>
  void extract_streams(bool as_files, Build&& build) {
    Writer writer(new_image(directory_ / "images", "image.cim"));
    writer.create_directory(u"", {});
    writer.create_directory(u"d", {});
    put_with_streams(writer, u"file", " of the file");
    build(writer);
    writer.commit();
    extract(Image(directory_ / "images/image.cim"), destination(), {.streams_as_files = as_files},
            progress_);
    std::sort(progress_.warnings.begin(), progress_.warnings.end());
  }

  static void put_large(Writer& writer, std::u16string_view path) {
    writer.create_named_stream(path, u"large", 100'000).write_at(50'000, test::bytes("large"));
  }

  std::string xattr_of(const std::string& path, const char* name) const {
    char value[64];
    const ssize_t size = lgetxattr(path.c_str(), name, value, sizeof(value));
    return size < 0 ? "(none)" : std::string(value, static_cast<std::size_t>(size));
  }
};

TEST_F(ExtractStreams, LeavesOutThoseThatCannotBeAttributes) {
  extract_streams(false, [](Writer& writer) { put_large(writer, u"d"); });
  const auto left_out = [this](const std::string& path, const std::string& reason) {
    return destination(path) + ": alternate stream " + reason + "; left out";
  };
  EXPECT_EQ(
      progress_.warnings,
      (Names{left_out("d", "large is too large for an extended attribute"),
             left_out("file", "large is too large for an extended attribute"),
             left_out("file", long_stream_name + " has too long a name for an extended attribute"),
             left_out("file", "taken has the name of an extended attribute of the file")}));
  EXPECT_EQ(read_file(destination("file")), "main");
  EXPECT_EQ(xattr_of(destination("file"), "user.fits"), "fits of the file");
  EXPECT_EQ(xattr_of(destination("file"), "user.taken"), "by an attribute");
}

TEST_F(ExtractStreams, MakesThoseThatCannotBeAttributesFilesIfAskedTo) {
  extract_streams(true, [](Writer& writer) {
    put_large(writer, u"d");
    put_large(writer, u"");
  });
  EXPECT_EQ(progress_.warnings,
            (Names{destination("file: alternate stream ") + long_stream_name +
                       ": File name too long; left out",
                   destination() + ": alternate stream large is too large for an extended " +
                       "attribute; left out"}));
  EXPECT_EQ(read_file(destination("file")), "main");
  EXPECT_EQ(xattr_of(destination("file"), "user.fits"), "fits of the file");
  EXPECT_EQ(read_file(destination("file:taken")), "taken of the file");
  EXPECT_EQ(read_file(destination("file:large")).substr(0, 17), "large of the file");
  EXPECT_EQ(fs::file_size(destination("d:large")), 100'000U);
  EXPECT_EQ(read_file(destination("d:large")).substr(50'000, 5), "large");
  EXPECT_FALSE(fs::exists(destination("file:fits")));
  EXPECT_FALSE(fs::exists(destination() + ":large"));

  struct stat file = {};
  struct stat stream = {};
  ASSERT_EQ(stat(destination("file").c_str(), &file), 0);
  ASSERT_EQ(stat(destination("file:large").c_str(), &stream), 0);
  EXPECT_EQ(stream.st_mode, file.st_mode);
  EXPECT_EQ(stream.st_mtim.tv_sec, file.st_mtim.tv_sec);
}

TEST_F(ExtractStreams, NamesBothOfWhatHasOneName) {
  extract_streams(true, [](Writer& writer) {
    test::put(writer, linux_to_image_name("file:large"), "a file");
    test::put(writer, linux_to_image_name("file:x"), "a file");
    put_large(writer, linux_to_image_name("file:x"));
    writer.create_named_stream(u"file", linux_to_image_name("x:large"), 100'000);
  });
  std::erase_if(progress_.warnings, [](const std::string& warning) {
    return warning.find(long_stream_name) != std::string::npos;
  });
  EXPECT_EQ(
      progress_.warnings,
      (Names{destination("file:large") +
                 ": an alternate stream of file has the name file:large here; left out",
             destination("file:x") + ": alternate stream large: an alternate stream of file " +
                 "has the name file:x:large here; left out"}));
  EXPECT_EQ(read_file(destination("file:large")).substr(0, 17), "large of the file");
  EXPECT_EQ(read_file(destination("file:x")), "a file");
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
