// Files that go into an image, and files that must not.
#include "transfer/import.h"

#include <boost/filesystem.hpp>
#include <cim/image.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "posix/attributes.h"
#include "support/image_content.h"
#include "support/temporary_directory.h"
#include "transfer/directory_source.h"
#include "transfer/image_files.h"
#include "transfer/patterns.h"
#include "tree.h"

namespace cim::transfer {
namespace {

namespace fs = boost::filesystem;
using Names = std::vector<std::string>;

class Import : public testing::Test {
 protected:
  Import() {
    fs::create_directory(source());
    fs::create_directory(directory_ / "images");
  }

  std::string images() const { return directory_ / "images"; }
  std::string source() const { return directory_ / "source"; }
  std::string source(const std::string& name) const { return source() + "/" + name; }

  Image image_of(const ImportOptions& options) {
    Writer writer(new_image(images(), "image.cim"));
    import_tree(writer, source(), u"", options, progress_);
    writer.commit();
    return Image(images() + "/image.cim");
  }

  // A fork of the image `base` with the source copied into it.
  Image fork_of(const std::string& base) {
    Writer::Options options = new_image(images(), "fork.cim");
    options.existing = base;
    Writer writer(options);
    import_tree(writer, source(), u"", {}, progress_);
    writer.commit();
    return Image(images() + "/fork.cim");
  }

  // The message of the Error that stops the import.
  std::string failure(const ImportOptions& options, Progress& progress) {
    Writer writer(new_image(images(), "image.cim"));
    try {
      import_tree(writer, source(), u"", options, progress);
    } catch (const Error& error) {
      return error.what();
    }
    return "(none)";
  }

  const test::TemporaryDirectory directory_;
  RecordingProgress progress_;
};

// Changes the source once its first bytes have been read.
class Meddler : public RecordingProgress {
 public:
  explicit Meddler(std::function<void()> meddle) : meddle_(std::move(meddle)) {}

  void advance(const Amount& step) override {
    if (step.bytes > 0 && meddle_) std::exchange(meddle_, nullptr)();
  }

 private:
  std::function<void()> meddle_;
};

// The sizes of these files of /proc and /sys are 0 and 4096, whatever there is to read.
TEST_F(Import, TellsOfFilesThatHoldMoreOrLessThanTheirSize) {
  const std::string more = "/proc/sys/kernel/ostype";
  const std::string less = "/sys/kernel/uevent_seqnum";
  if (!fs::exists(more) || !fs::exists(less)) GTEST_SKIP() << "no /proc, or no /sys";
  write_file(source("empty"), "");
  Writer writer(new_image(images(), "image.cim"));
  EXPECT_EQ(0, import_tree(writer, source(), u"", {}, progress_));
  EXPECT_EQ(1, import_tree(writer, more, u"more", {}, progress_));
  EXPECT_EQ(1, import_tree(writer, less, u"less", {}, progress_));
  writer.commit();
  const Image image(images() + "/image.cim");
  EXPECT_EQ(test::content(image, u"more"), "");
  const std::string content = read_file(less);
  std::string expected = content;
  expected.resize(fs::file_size(less));
  EXPECT_EQ(test::content(image, u"less"), expected);
  EXPECT_EQ(progress_.warnings,
            (Names{more + ": holds more than the 0 bytes that it claims; the rest is left out",
                   fmt::format("{}: holds {} of the {} bytes that it claims; the rest is zeros",
                               less, content.size(), expected.size())}));
}

TEST_F(Import, LeavesOutWhatAPatternMatchesAnywhere) {
  fs::create_directories(source("src/deep"));
  write_file(source("src/a.o"), "");
  write_file(source("src/a.c"), "");
  write_file(source("src/deep/b.o"), "");
  write_file(source("c.o"), "");
  ImportOptions options;
  options.exclude = {"*.o"};
  const Image image = image_of(options);
  EXPECT_EQ(test::list(image, u""), Names{"src"});
  EXPECT_EQ(test::list(image, u"src"), (Names{"a.c", "deep"}));
  EXPECT_EQ(test::list(image, u"src\\deep"), Names{});
}

TEST_F(Import, LeavesOutAnExcludedDirectoryWithAllBelowIt) {
  fs::create_directories(source("a/.git/objects"));
  write_file(source("a/.git/objects/x"), "");
  write_file(source("a/.gitignore"), "");
  ImportOptions options;
  options.exclude = {".git"};
  EXPECT_EQ(test::list(image_of(options), u"a"), Names{".gitignore"});
}

TEST_F(Import, MatchesPatternsWithDirectoriesAtTheEndOfThePath) {
  fs::create_directories(source("a/tmp"));
  fs::create_directories(source("tmp"));
  write_file(source("a/tmp/x"), "");
  write_file(source("tmp/x"), "");
  ImportOptions options;
  options.exclude = {"a/tmp/*"};
  const Image image = image_of(options);
  EXPECT_EQ(test::list(image, u"a\\tmp"), Names{});
  EXPECT_EQ(test::list(image, u"tmp"), Names{"x"});
}

TEST_F(Import, DoesNotMatchTheMiddleOfANameOrTheSourceItself) {
  write_file(source("source"), "");
  write_file(source("x.object"), "");
  ImportOptions options;
  options.exclude = {"*.o", "ource"};
  EXPECT_EQ(test::list(image_of(options), u""), (Names{"source", "x.object"}));
}

TEST_F(Import, LeavesOutTheFilesOfAnImageThatLiesInTheSource) {
  write_file(source("file"), "x");
  const std::string old = make_image(source(), "old.cim", source());
  ImportOptions options;
  options.skip = files_of_image(old);
  EXPECT_EQ(test::list(image_of(options), u""), Names{"file"});
}

TEST_F(Import, DoesNotPutTheNewImageIntoItself) {
  write_file(source("file"), "x");
  const Image image(make_image(source(), "new.cim", source()));
  EXPECT_EQ(test::list(image, u""), Names{"file"});
}

// Where file systems have no unnamed files, writers use temporary names: this writer, if the image
// lies in its own source, another one, or a killed one.
TEST_F(Import, LeavesOutWhatAWriterHasNotNamedYet) {
  const Names similar = {".cimfs-0123456789ABCDEF.tmp", ".cimfs-0123456789abcde.tmp",
                         ".cimfs-notes.tmp"};
  for (const std::string& name : similar) write_file(source(name), "");
  fs::create_directories(source("d/.cimfs-0123456789abcdee.tmp"));
  write_file(source("d/.cimfs-0123456789abcdef.tmp"), "");
  const Image image = image_of({});
  EXPECT_EQ(test::list(image, u""), (Names{similar[0], similar[1], similar[2], "d"}));
  EXPECT_EQ(test::list(image, u"d"), Names{".cimfs-0123456789abcdee.tmp"});
  EXPECT_EQ(measure_tree(source(), {}).files, 6);
}

TEST_F(Import, MergesDirectoriesAndReplacesFiles) {
  fs::create_directories(source("d"));
  write_file(source("d/old"), "old");
  write_file(source("d/same"), "before");
  make_image(images(), "base.cim", source());
  fs::remove(source("d/old"));
  write_file(source("d/same"), "after");
  write_file(source("d/new"), "new");

  const Image image = fork_of("base.cim");
  EXPECT_EQ(test::list(image, u"d"), (Names{"new", "old", "same"}));
  EXPECT_EQ(test::content(image, u"d\\same"), "after");
}

TEST_F(Import, HardLinksReplaceDirectoriesOfTheBase) {
  fs::create_directories(source("b/below"));
  make_image(images(), "base.cim", source());
  fs::remove_all(source("b"));
  write_file(source("a"), "x");
  fs::create_hard_link(source("a"), source("b"));

  const Image image = fork_of("base.cim");
  EXPECT_EQ(image.resolve(u"a"), image.resolve(u"b"));
}

TEST_F(Import, FollowsALinkToTheRootButNoOther) {
  fs::create_symlink("source", directory_ / "link");
  write_file(source("file"), "x");
  Writer writer(new_image(images(), "image.cim"));
  import_tree(writer, directory_ / "link", u"", {}, progress_);
  import_tree(writer, directory_ / "link", u"copy", {}, progress_);
  writer.commit();
  const Image image(images() + "/image.cim");
  EXPECT_EQ(test::list(image, u""), (Names{"copy", "file"}));
  EXPECT_EQ(test::file_at(image, u"copy").reparse_tag, 0xA000001DU);
}

TEST_F(Import, TakesASingleFile) {
  write_file(source("file"), "text");
  Writer writer(new_image(images(), "image.cim"));
  import_tree(writer, source("file"), u"copy", {}, progress_);
  writer.commit();
  EXPECT_EQ(test::content(Image(images() + "/image.cim"), u"copy"), "text");
}

TEST_F(Import, RefusesAFileAsTheRoot) {
  write_file(source("file"), "text");
  Writer writer(new_image(images(), "image.cim"));
  try {
    import_tree(writer, source("file"), u"", {}, progress_);
    FAIL() << "the root became a file";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::not_a_directory) << error.what();
  }
}

TEST_F(Import, NamesAMissingSource) {
  fs::remove(source());
  EXPECT_EQ(failure({}, progress_), source() + ": No such file or directory");
}

// Drops the rights of root, who can read everything, while it lives.
class AsOrdinaryUser {
 public:
  AsOrdinaryUser() { EXPECT_EQ(seteuid(user_ == 0 ? nobody : user_), 0); }
  AsOrdinaryUser(const AsOrdinaryUser&) = delete;
  AsOrdinaryUser& operator=(const AsOrdinaryUser&) = delete;
  ~AsOrdinaryUser() { EXPECT_EQ(seteuid(user_), 0); }

 private:
  static constexpr uid_t nobody = 65534;
  const uid_t user_ = geteuid();
};

TEST_F(Import, NamesAFileThatCannotBeRead) {
  write_file(source("secret"), "x");
  ASSERT_EQ(chmod(source("secret").c_str(), 0), 0);
  fs::permissions(images(), fs::perms(0777));
  const AsOrdinaryUser user;
  EXPECT_EQ(failure({}, progress_), source("secret") + ": Permission denied");
}

TEST_F(Import, NamesAFileThatShrinksWhileItIsRead) {
  write_file(source("log"), std::string(3 << 20, 'x'));
  Meddler meddler([&] { fs::resize_file(source("log"), 10); });
  EXPECT_EQ(failure({}, meddler), source("log") + ": changed while it was read");
}

TEST_F(Import, NamesAFileThatGrowsWhileItIsRead) {
  write_file(source("log"), "x");
  Meddler meddler([&] { write_file(source("log"), "xy"); });
  EXPECT_EQ(failure({}, meddler), source("log") + ": changed while it was read");
}

TEST_F(Import, NamesAFileThatIsRewrittenWhileItIsRead) {
  write_file(source("log"), "before");
  Meddler meddler([&] { write_file(source("log"), "after!"); });
  EXPECT_EQ(failure({}, meddler), source("log") + ": changed while it was read");
}

TEST_F(Import, NamesAFileThatVanishes) {
  write_file(source("a"), "x");
  write_file(source("b"), "x");
  Meddler meddler([&] { fs::remove(source("b")); });
  EXPECT_EQ(failure({}, meddler), source("b") + ": No such file or directory");
}

TEST_F(Import, NamesBothFilesThatACaseInsensitiveImageWouldTakeForOne) {
  fs::create_directory(source("d"));
  write_file(source("d/README"), "");
  write_file(source("d/Readme"), "");
  ImportOptions options;
  options.case_insensitive = true;
  const std::string message = failure(options, progress_);
  EXPECT_EQ(message, source("d/Readme") +
                         ": 'd/README' and 'd/Readme' are one name in a case-insensitive image");
}

TEST_F(Import, NumbersFilesByNameWhateverTheOrderOfCreation) {
  const auto ids = [&](const Names& names) {
    fs::remove_all(source());
    fs::create_directory(source());
    for (const std::string& name : names) write_file(source(name), name);
    const std::string image_name = names.front() + ".cim";
    const Image image(make_image(images(), image_name, source()));
    std::vector<FileId> found;
    for (const char16_t* name : {u"a", u"b", u"c", u"d"})
      found.push_back(image.resolve(name).value());
    return found;
  };
  EXPECT_EQ(ids({"a", "b", "c", "d"}), ids({"d", "b", "a", "c"}));
}

// Runs `work` with an empty file system mounted on `directory`. Returns false if that is not
// allowed here. Failures in `work` appear as uncaught exceptions.
bool with_mount(const std::string& directory, const std::function<void()>& work) {
  constexpr int not_allowed = 77;
  const pid_t child = fork();
  if (child == 0) {
    const bool mounted = unshare(CLONE_NEWNS) == 0 &&
                         mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
                         mount("test", directory.c_str(), "tmpfs", 0, nullptr) == 0;
    if (!mounted) _exit(not_allowed);
    work();
    _exit(0);
  }
  int status = 0;
  EXPECT_EQ(child, waitpid(child, &status, 0));
  if (WIFEXITED(status) && WEXITSTATUS(status) == not_allowed) return false;
  EXPECT_EQ(0, status);
  return true;
}

TEST_F(Import, StaysOnOneFileSystemIfToldTo) {
  fs::create_directories(source("mountpoint"));
  write_file(source("mountpoint/covered"), "");
  write_file(source("file"), "");
  const bool allowed = with_mount(source("mountpoint"), [this] {
    write_file(source("mountpoint/mounted"), "");
    Amount measured[2];
    for (const bool one : {false, true}) {
      ImportOptions options;
      options.one_file_system = one;
      measured[one] = measure_tree(source(), options);
      Writer writer(new_image(images(), one ? "one.cim" : "all.cim"));
      import_tree(writer, source(), u"", options, progress_);
      writer.commit();
    }
    if (measured[0].files != 4 || measured[1].files != 3) _exit(1);
  });
  if (!allowed) GTEST_SKIP() << "no mount namespaces for this user";
  const Image all(images() + "/all.cim");
  EXPECT_EQ(test::list(all, u"mountpoint"), Names{"mounted"});
  const Image one(images() + "/one.cim");
  EXPECT_EQ(test::list(one, u""), (Names{"file", "mountpoint"}));
  EXPECT_EQ(test::list(one, u"mountpoint"), Names{});
}

TEST_F(Import, OverridesMetadataOfEveryFile) {
  fs::create_directory(source("d"));
  write_file(source("d/file"), "");
  fs::create_symlink("file", source("d/link"));
  ImportOptions options;
  options.overrides = {.owner = 5, .group = 6, .mtime = timespec{1000, 0}};
  const Image image = image_of(options);
  for (const char16_t* path : {u"", u"d", u"d\\file", u"d\\link"}) {
    const struct stat status = posix::attributes(image, test::file_at(image, path), {});
    EXPECT_EQ(5u, status.st_uid);
    EXPECT_EQ(6u, status.st_gid);
    EXPECT_EQ(1000, status.st_mtim.tv_sec);
    EXPECT_EQ(1000, status.st_ctim.tv_sec);
  }
  EXPECT_TRUE(progress_.warnings.empty());
}

TEST_F(Import, WarnsOnceOfTimesFinerThanTheImageHolds) {
  const timespec fine = {1000, 123456789};
  const timespec times[] = {fine, fine};
  write_file(source("a"), "");
  write_file(source("b"), "");
  for (const char* name : {"", "a", "b"}) {
    ASSERT_EQ(0, utimensat(AT_FDCWD, source(name).c_str(), times, 0));
  }
  struct stat status;
  ASSERT_EQ(0, stat(source("a").c_str(), &status));
  if (status.st_mtim.tv_nsec != fine.tv_nsec) GTEST_SKIP() << "the file system's times are coarse";
  const Image image = image_of({});
  EXPECT_EQ(progress_.warnings, Names{});
  EXPECT_EQ(progress_.notes,
            Names{"3 times were rounded down to 100 ns, the first that of " + source()});
  const struct stat stored = posix::attributes(image, test::file_at(image, u"a"), {});
  EXPECT_EQ(123456700, stored.st_mtim.tv_nsec);
}

TEST_F(Import, NamesAFileWithMoreExtendedAttributesThanTheFormatHolds) {
  write_file(source("file"), "");
  const std::string name = "user." + std::string(248, 'n');
  if (setxattr(source("file").c_str(), name.c_str(), "x", 1, 0) != 0) {
    GTEST_SKIP() << "the file system has no extended attributes";
  }
  const std::string message = failure({}, progress_);
  EXPECT_TRUE(message.starts_with(source("file") + ": LX." + name)) << message;
}

TEST_F(Import, ReadsPatternsOneALine) {
  write_file(source("patterns"), "*.o\n# comment\n\n\\#*#\n a b \nlast");
  EXPECT_EQ(read_patterns(source("patterns")), (Names{"*.o", "\\#*#", " a b ", "last"}));
}

TEST_F(Import, NamesAPatternFileThatCannotBeRead) {
  for (const std::string& path : {source("missing"), source()}) {
    try {
      read_patterns(path);
      ADD_FAILURE() << path;
    } catch (const Error& error) {
      EXPECT_TRUE(std::string(error.what()).starts_with(path + ": ")) << error.what();
    }
  }
}

TEST_F(Import, MeasuresWhatItReports) {
  fs::create_directory(source("d"));
  write_file(source("d/file"), std::string(5000, 'x'));
  fs::create_hard_link(source("d/file"), source("d/second"));
  write_file(source("d/left.out"), std::string(5000, 'x'));
  ImportOptions options;
  options.exclude = {"*.out"};
  const Amount measured = measure_tree(source(), options);
  image_of(options);
  EXPECT_EQ(measured.files, 4U);
  EXPECT_EQ(measured.bytes, 10000U);
  EXPECT_EQ(progress_.done.files, measured.files);
  EXPECT_EQ(progress_.done.bytes, measured.bytes);
}

}  // namespace
}  // namespace cim::transfer
