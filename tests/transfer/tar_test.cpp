// Tar archives that go into images, and archives made from images.
#include <algorithm>
#include <array>
#include <clocale>
#include <cstdlib>
#include <thread>

#include <boost/filesystem.hpp>
#include <cim/image.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <linux/posix_acl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "image/file_descriptor.h"
#include "posix/acl.h"
#include "posix/attributes.h"
#include "support/digest.h"
#include "support/image_content.h"
#include "support/temporary_directory.h"
#include "transfer/extract.h"
#include "transfer/import.h"
#include "transfer/pax_writer.h"
#include "transfer/tar_export.h"
#include "transfer/ustar.h"
#include "tree.h"

namespace cim::transfer {
namespace {

namespace fs = boost::filesystem;
using Names = std::vector<std::string>;

constexpr time_t some_time = 981173106;

class Tar : public testing::Test {
 protected:
  Tar() {
    fs::create_directory(source());
    fs::create_directory(images());
  }

  std::string images() const { return directory_ / "images"; }
  std::string source() const { return directory_ / "source"; }
  std::string source(const std::string& name) const { return source() + "/" + name; }
  std::string extracted() const { return directory_ / "extracted"; }
  std::string archive() const { return directory_ / "archive.tar"; }

  // Runs a shell command in the test's directory.
  void run(const std::string& command) const {
    const std::string line = "cd '" + directory_.string() + "' && " + command;
    ASSERT_EQ(std::system(line.c_str()), 0) << command;  // NOLINT(concurrency-mt-unsafe)
  }

  FileDescriptor open_archive() const {
    return FileDescriptor(open(archive().c_str(), O_RDONLY | O_CLOEXEC));
  }

  std::string image_path(const std::string& name) const { return images() + "/" + name; }

  // The image `name`, made of the archive.
  Image import(const ImportOptions& options = {}, const std::string& name = "image.cim") {
    Writer writer(new_image(images(), name));
    left_out_ = import_archive(writer, open_archive().get(), "app.tar", options, progress_);
    writer.commit();
    return Image(image_path(name));
  }

  // The message of the Error that stops the import of the archive.
  std::string failure(const ImportOptions& options = {}) {
    try {
      Writer writer(new_image(images(), "failed.cim"));
      import_archive(writer, open_archive().get(), "app.tar", options, progress_);
    } catch (const Error& error) {
      return error.what();
    }
    return "(none)";
  }

  void export_to(const std::string& path, const Image& image) {
    const FileDescriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
    FileOutput output(file.get(), path);
    export_tar(image, output, progress_);
  }

  std::string exported(const Image& image) {
    export_to(directory_ / "exported.tar", image);
    return read_file(directory_ / "exported.tar");
  }

  // Rounds the times in the source to those that an image can hold.
  void round_times() const {
    const auto round = [](const fs::path& path) {
      struct stat status = {};
      ASSERT_EQ(lstat(path.c_str(), &status), 0);
      status.st_mtim.tv_nsec -= status.st_mtim.tv_nsec % 100;
      const std::array<timespec, 2> times = {status.st_mtim, status.st_mtim};
      ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times.data(), AT_SYMLINK_NOFOLLOW), 0);
    };
    for (const auto& file : fs::recursive_directory_iterator(source())) round(file.path());
    round(source());
  }

  // Has GNU tar with `options` archive the source, imports the archive and extracts the image: the
  // result must equal the source.
  void expect_import_keeps(const std::string& options) {
    round_times();
    ASSERT_NO_FATAL_FAILURE(run("tar -C source " + options + " -cf archive.tar ."));
    extract(import(), extracted(), {}, progress_);
    EXPECT_EQ(snapshot(extracted()), snapshot(source()));
    EXPECT_TRUE(progress_.warnings.empty()) << progress_.warnings.front();
  }

  // Exports an image of the source and has GNU tar extract the archive under `locale`: the result
  // must equal the source.
  void expect_export_keeps(const std::string& locale = "C") {
    const Image image(make_image(images(), "source.cim", source()));
    export_to(archive(), image);
    fs::create_directory(extracted());
    ASSERT_NO_FATAL_FAILURE(run("LC_ALL=" + locale +
                                " tar -C extracted --xattrs --xattrs-include='*' --acls "
                                "--warning=no-timestamp -xpf archive.tar"));
    EXPECT_EQ(snapshot(extracted()), snapshot(source()));
    EXPECT_TRUE(progress_.warnings.empty()) << progress_.warnings.front();
  }

  struct stat attributes(const Image& image, std::u16string_view path) const {
    return posix::attributes(image, test::file_at(image, path), {});
  }

  void make_zoo() const {
    fs::create_directories(source("a/b/empty"));
    write_file(source("a/b/file"), "text");
    write_file(source("large"), std::string(3'000'000, 'x'));
    fs::create_hard_link(source("a/b/file"), source("zz"));
    fs::create_symlink("../no such \xFF", source("link"));
    ASSERT_EQ(mkfifo(source("fifo").c_str(), 0640), 0);
    ASSERT_EQ(chmod(source("large").c_str(), 04751), 0);
    ASSERT_EQ(chmod(source("a/b").c_str(), 01777), 0);
    for (const std::string name :
         {"new\nline", "back\\slash", "a:b*c?d\"e<f>g|h", "-rf", "\xFF\xFE", "\xC3\xA9 composed",
          "e\xCC\x81 decomposed", "\xEF\x80\xAA", "trailing ."}) {
      write_file(source(name), name);
    }
    const std::string deep = std::string(150, 'd') + "/" + std::string(90, 'e');
    fs::create_directories(source(deep));
    for (const std::size_t length : {98, 99, 100, 101, 255}) {
      write_file(source(std::string(length, 'n')), "at the limit of the old header");
      write_file(source(std::string(150, 'd') + "/" + std::string(length, 'n')), "of its prefix");
    }
    write_file(source(deep + "/\xFF" + std::string(100, 'n')), "long and no UTF-8");
    fs::create_symlink(std::string(3000, 't'), source("long link"));
  }

  const test::TemporaryDirectory directory_;
  RecordingProgress progress_;
  std::uint64_t left_out_ = 0;
};

// Makes archives that GNU tar cannot make.
class ArchiveBuilder {
 public:
  explicit ArchiveBuilder(const std::string& path)
      : fd_(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)),
        output_(fd_.get(), path),
        writer_(output_) {}
  ~ArchiveBuilder() { writer_.finish(); }
  ArchiveBuilder(const ArchiveBuilder&) = delete;
  ArchiveBuilder& operator=(const ArchiveBuilder&) = delete;

  void file(const std::string& path, const std::string& content) {
    PaxMember member = this->member(path, S_IFREG | 0644);
    member.status.st_size = static_cast<off_t>(content.size());
    writer_.begin(member);
    writer_.write(test::bytes(content));
    writer_.end();
  }

  using Records = std::vector<std::pair<std::string, std::string>>;

  void directory(const std::string& path, mode_t mode, const Records& records = {}) {
    PaxMember member = this->member(path, S_IFDIR | mode);
    member.records = records;
    add(member);
  }

  void symlink(const std::string& path, const std::string& target, const Records& records = {}) {
    PaxMember member = this->member(path, S_IFLNK | 0777);
    member.link_target = target;
    member.records = records;
    add(member);
  }

  void hard_link(const std::string& path, const std::string& target) {
    PaxMember member = this->member(path, S_IFREG | 0644);
    member.is_hard_link = true;
    member.link_target = target;
    add(member);
  }

  void file_with_record(const std::string& path, const std::string& key, const std::string& value,
                        mode_t mode = 0644) {
    PaxMember member = this->member(path, S_IFREG | mode);
    member.records.emplace_back(key, value);
    add(member);
  }

 private:
  static PaxMember member(const std::string& path, mode_t mode) {
    PaxMember member;
    member.path = path;
    member.status.st_mode = mode;
    member.status.st_mtim.tv_sec = some_time;
    return member;
  }

  void add(const PaxMember& member) {
    writer_.begin(member);
    writer_.end();
  }

  FileDescriptor fd_;
  FileOutput output_;
  PaxWriter writer_;
};

TEST_F(Tar, ImportKeepsWhatAPaxArchiveOfGnuTarHolds) {
  make_zoo();
  expect_import_keeps("--format=pax");
}

TEST_F(Tar, ImportKeepsWhatAGnuArchiveHolds) {
  make_zoo();
  for (const auto& file : fs::recursive_directory_iterator(source())) {
    const std::array<timespec, 2> whole_seconds = {timespec{1, 0}, timespec{some_time, 0}};
    utimensat(AT_FDCWD, file.path().c_str(), whole_seconds.data(), AT_SYMLINK_NOFOLLOW);
  }
  run("touch -d @1 source");
  expect_import_keeps("--format=gnu");
}

TEST_F(Tar, ImportKeepsNamesInAUtf8Locale) {
  make_zoo();
  ASSERT_NE(std::setlocale(LC_CTYPE, "C.UTF-8"), nullptr);
  expect_import_keeps("--format=pax");
  std::setlocale(LC_CTYPE, "C");
}

TEST_F(Tar, ExportKeepsTheTreeForGnuTar) {
  make_zoo();
  expect_export_keeps();
}

TEST_F(Tar, ExportKeepsTheTreeForGnuTarInAUtf8Locale) {
  make_zoo();
  expect_export_keeps("C.UTF-8");
}

TEST_F(Tar, ImportEqualsTheImportOfTheTreeItself) {
  make_zoo();
  run("tar -C source --format=pax -cf archive.tar .");
  const Image of_tree(make_image(images(), "tree.cim", source()));
  const Image of_archive = import();
  EXPECT_TRUE(exported(of_tree) == exported(of_archive));
}

TEST_F(Tar, ExportsOfEqualImagesAreEqual) {
  make_zoo();
  const Image first(make_image(images(), "first.cim", source()));
  fs::create_directory(directory_ / "elsewhere");
  const Image second(make_image(directory_ / "elsewhere", "second.cim", source()));
  EXPECT_TRUE(exported(first) == exported(second));
}

// Whatever the machine, user and version of libarchive.
TEST_F(Tar, ExportAlwaysHasTheSameBytes) {
  {
    ArchiveBuilder builder(archive());
    builder.file("d/file", "text");
    builder.hard_link("d/link", "d/file");
    builder.symlink("\xC3\xA9", std::string(120, 't'));
    builder.file_with_record("xattr", "SCHILY.xattr.user.a", "value");
  }
  ImportOptions options;
  options.overrides.owner = 4000000000;
  options.overrides.group = 5;
  options.overrides.mtime = timespec{some_time, 123456700};
  EXPECT_EQ(test::hex_digest(exported(import(options)), EVP_sha256()).substr(0, 48),
            "5a0dd5d87cb2651ae75b61ef666fd9755b4267ddae36e820");
}

TEST_F(Tar, KeepsCompressedArchives) {
  make_zoo();
  for (const char* option : {"--gzip", "--zstd", "--xz", "--bzip2"}) {
    SCOPED_TRACE(option);
    expect_import_keeps(std::string("--format=pax ") + option);
    fs::remove_all(extracted());
    fs::remove_all(images());
    fs::create_directory(images());
  }
}

TEST_F(Tar, KeepsLargeOwners) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may give files away";
  write_file(source("file"), "x");
  ASSERT_EQ(chown(source("file").c_str(), 4000000000, 1 << 21), 0);
  expect_export_keeps();
  fs::remove_all(extracted());
  expect_import_keeps("--format=pax");
}

TEST_F(Tar, KeepsDevices) {
  if (mknod(source("null").c_str(), S_IFCHR | 0666, makedev(1, 3)) != 0) {
    GTEST_SKIP() << "this user may not make devices";
  }
  ASSERT_EQ(mknod(source("disk").c_str(), S_IFBLK | 0600, makedev(259, 70000)), 0);
  expect_export_keeps();
  fs::remove_all(extracted());
  expect_import_keeps("--format=pax");
}

TEST_F(Tar, KeepsTimesBefore1970AndAfter2106) {
  for (const timespec time :
       {timespec{-1, 500000000}, timespec{-1, 999999900}, timespec{-1, 100}, timespec{0, 500000000},
        timespec{-2, 500000000}, timespec{-1000000001, 999999900}, timespec{-5, 0},
        timespec{1LL << 33, 123456700}}) {
    const std::string name = fmt::format("{} {}", time.tv_sec, time.tv_nsec);
    write_file(source(name), "x");
    const std::array<timespec, 2> times = {time, time};
    ASSERT_EQ(utimensat(AT_FDCWD, source(name).c_str(), times.data(), 0), 0);
  }
  expect_export_keeps();
  fs::remove_all(extracted());
  extract(import(), extracted(), {}, progress_);  // from the exported archive
  EXPECT_EQ(snapshot(extracted()), snapshot(source()));
  fs::remove_all(extracted());
  fs::remove(image_path("image.cim"));
  expect_import_keeps("--format=pax");
}

TEST_F(Tar, KeepsExtendedAttributes) {
  write_file(source("file"), "x");
  fs::create_directory(source("d"));
  const std::string value("\0=\n", 3);
  for (const char* name : {"user.plain", "user.with space", "user.a=b%", "user.\xC3\xA9"}) {
    if (setxattr(source("file").c_str(), name, value.data(), value.size(), 0) != 0) {
      GTEST_SKIP() << "the file system has no extended attributes";
    }
  }
  ASSERT_EQ(setxattr(source("file").c_str(), "user.empty", "", 0, 0), 0);
  ASSERT_EQ(setxattr(source("d").c_str(), "user.d", "on a directory", 14, 0), 0);
  expect_export_keeps();
  fs::remove_all(extracted());
  expect_import_keeps("--format=pax --xattrs");
}

TEST_F(Tar, KeepsAccessControlLists) {
  write_file(source("file"), "x");
  fs::create_directory(source("d"));
  const std::vector<posix::AclEntry> acl = {
      {ACL_USER_OBJ, 0, 6}, {ACL_USER, 0, 6}, {ACL_USER, 1234567, 4}, {ACL_GROUP_OBJ, 0, 0},
      {ACL_GROUP, 7, 5},    {ACL_MASK, 0, 7}, {ACL_OTHER, 0, 1}};
  const std::string value = posix::encode_acl(acl);
  if (setxattr(source("file").c_str(), "system.posix_acl_access", value.data(), value.size(), 0)) {
    GTEST_SKIP() << "the file system has no access control lists";
  }
  ASSERT_EQ(
      setxattr(source("d").c_str(), "system.posix_acl_default", value.data(), value.size(), 0), 0);
  struct stat status = {};
  ASSERT_EQ(stat(source("file").c_str(), &status), 0);
  ASSERT_EQ(status.st_mode & 0777, 0671U) << "the mask, not the rights of the group";
  expect_export_keeps();
  fs::remove_all(extracted());
  expect_import_keeps("--format=pax --acls");  // the list names user 0
  fs::remove_all(extracted());
  fs::remove(image_path("image.cim"));
  expect_import_keeps("--format=pax --acls --numeric-owner");
}

TEST_F(Tar, KeepsHoles) {
  constexpr off_t size = 1LL << 40;
  const auto make = [&](const std::string& name, off_t length, const std::vector<off_t>& data) {
    write_file(source(name), "");
    const FileDescriptor file(open(source(name).c_str(), O_WRONLY | O_CLOEXEC));
    ASSERT_EQ(ftruncate(file.get(), length), 0);
    for (const off_t offset : data) ASSERT_EQ(pwrite(file.get(), "data", 4, offset), 4);
  };
  make("middle", size, {size / 2, size / 2 + 5'000'000});
  make("start", 10'000'000, {9'999'996});
  make("end", 10'000'000, {0});
  make("nothing", size, {});
  const auto content_of = [](const Image& image, std::u16string_view path, std::uint64_t offset) {
    std::string text(4, '?');
    image.read(test::file_at(image, path).stream, offset, std::as_writable_bytes(std::span(text)));
    return text;
  };
  const auto expect_holes = [&](const Image& image) {
    EXPECT_EQ(test::file_at(image, u"middle").stream.length, std::uint64_t{size});
    EXPECT_EQ(content_of(image, u"middle", size / 2 + 5'000'000), "data");
    EXPECT_EQ(content_of(image, u"middle", size / 2 - 4), std::string(4, '\0'));
    EXPECT_EQ(content_of(image, u"start", 9'999'996), "data");
    EXPECT_EQ(content_of(image, u"end", 0), "data");
    EXPECT_EQ(test::file_at(image, u"nothing").stream.length, std::uint64_t{size});
  };
  for (const char* format : {"--format=pax", "--format=gnu"}) {
    run(std::string("tar -C source --sparse -cf archive.tar . ") + format);
    const Image image = import({}, std::string(format) + ".cim");
    expect_holes(image);
    EXPECT_LT(exported(image).size(), 100'000U);
  }
  expect_holes(import({}, "again.cim"));

  run("mkdir extracted && tar -C extracted -xf exported.tar && "
      "test $(du -s --block-size=1 extracted | cut -f1) -lt 1000000 && "
      "cmp -n 10000000 source/start extracted/start && cmp source/end extracted/end");
}

TEST_F(Tar, ImageReadsWhatItExported) {
  make_zoo();
  const Image image(make_image(images(), "source.cim", source()));
  export_to(archive(), image);
  EXPECT_TRUE(exported(import()) == read_file(archive()));
}

TEST_F(Tar, LaterMemberReplacesAnEarlierOne) {
  {
    ArchiveBuilder builder(archive());
    builder.file("file", "old");
    builder.file("tree/below", "old");
    builder.symlink("link", "old");
    builder.file("./file", "new");
    builder.file("tree", "new");
    builder.file("link", "new");
  }
  const Image image = import();
  EXPECT_EQ(test::content(image, u"file"), "new");
  EXPECT_EQ(test::content(image, u"tree"), "new");
  EXPECT_EQ(test::content(image, u"link"), "new");
}

TEST_F(Tar, LaterDirectoryKeepsItsContents) {
  {
    ArchiveBuilder builder(archive());
    builder.file("d/file", "text");
    builder.directory("d/", 0700);
    builder.directory("./", 0711);
  }
  const Image image = import();
  EXPECT_EQ(test::content(image, u"d\\file"), "text");
  EXPECT_EQ(attributes(image, u"d").st_mode, S_IFDIR | 0700U);
  EXPECT_EQ(attributes(image, u"").st_mode, S_IFDIR | 0711U);
}

TEST_F(Tar, MakesUpMissingDirectories) {
  ArchiveBuilder(archive()).file("a/b/file", "text");
  const Image image = import();
  for (const char16_t* path : {u"", u"a", u"a\\b"}) {
    const struct stat status = attributes(image, path);
    EXPECT_EQ(status.st_mode, S_IFDIR | 0755U);
    EXPECT_EQ(status.st_uid, 0U);
    EXPECT_EQ(status.st_gid, 0U);
    EXPECT_EQ(status.st_mtim.tv_sec, some_time);
  }
}

TEST_F(Tar, EmptyArchiveGivesAnEmptyImage) {
  { const ArchiveBuilder empty(archive()); }
  const Image image = import();
  EXPECT_EQ(test::list(image, u""), Names{});
  EXPECT_EQ(attributes(image, u"").st_mode, S_IFDIR | 0755U);
}

TEST_F(Tar, ForkKeepsTheRootOfItsBase) {
  ASSERT_EQ(chmod(source().c_str(), 0700), 0);
  write_file(source("old"), "");
  make_image(images(), "base.cim", source());
  ArchiveBuilder(archive()).file("new", "text");
  Writer::Options options = new_image(images(), "fork.cim");
  options.existing = "base.cim";
  Writer writer(options);
  const Image base(image_path("base.cim"));
  import_archive(writer, open_archive().get(), "app.tar", {.base = &base}, progress_);
  writer.commit();
  const Image image(image_path("fork.cim"));
  EXPECT_EQ(test::list(image, u""), (Names{"new", "old"}));
  EXPECT_EQ(attributes(image, u"").st_mode, S_IFDIR | 0700U);
}

TEST_F(Tar, TakesLeadingSlashesOffWithOneWarning) {
  {
    ArchiveBuilder builder(archive());
    builder.file("/abs/file", "text");
    builder.file("//abs//second", "text");
    builder.hard_link("/abs/link", "/abs/file");
  }
  const Image image = import();
  EXPECT_EQ(test::list(image, u"abs"), (Names{"file", "link", "second"}));
  EXPECT_EQ(progress_.warnings, Names{"app.tar: removed leading '/' from names"});
  EXPECT_EQ(left_out_, 0U);
}

TEST_F(Tar, LeavesOutMembersThatGoUp) {
  {
    ArchiveBuilder builder(archive());
    builder.file("file", "text");
    builder.file("../up", "evil");
    builder.file("a/../b", "evil");
    builder.hard_link("link", "../../etc/shadow");
    builder.file("..but not this", "text");
  }
  const Image image = import();
  EXPECT_EQ(test::list(image, u""), (Names{"..but not this", "file"}));
  EXPECT_EQ(left_out_, 3U);
  EXPECT_EQ(progress_.warnings,
            (Names{"app.tar: ../up: its name contains '..'; left out",
                   "app.tar: a/../b: its name contains '..'; left out",
                   "app.tar: link: is a hard link to ../../etc/shadow, which contains '..'; "
                   "left out"}));
}

TEST_F(Tar, HardLinksNameOneFile) {
  {
    ArchiveBuilder builder(archive());
    builder.file("first", "text");
    builder.directory("second/", 0755);
    builder.file("second/below", "");
    builder.hard_link("second", "first");
    builder.hard_link("new/third", "second");
    builder.hard_link("first", "./first");  // as GNU tar writes for a file it is given twice
  }
  const Image image = import();
  EXPECT_EQ(attributes(image, u"first").st_nlink, 3U);
  EXPECT_EQ(image.resolve(u"second"), image.resolve(u"first"));
  EXPECT_EQ(image.resolve(u"new\\third"), image.resolve(u"first"));
}

TEST_F(Tar, HardLinkToNothingNamesBoth) {
  ArchiveBuilder(archive()).hard_link("link", "gone");
  EXPECT_EQ(failure(), "app.tar: link: is a hard link to gone, which is not there");
}

TEST_F(Tar, HardLinkToADirectoryNamesBoth) {
  {
    ArchiveBuilder builder(archive());
    builder.directory("d", 0755);
    builder.hard_link("link", "d");
  }
  EXPECT_EQ(failure(), "app.tar: link: is a hard link to d, which is a directory");
}

TEST_F(Tar, HardLinkToWhatItReplacesNamesBoth) {
  {
    ArchiveBuilder builder(archive());
    builder.file("d/file", "text");
    builder.hard_link("d", "d/file");
  }
  EXPECT_EQ(failure(), "app.tar: d: is a hard link to d/file, which is not there");
}

TEST_F(Tar, DoesNotFollowSymbolicLinks) {
  {
    ArchiveBuilder builder(archive());
    builder.directory("d/", 0755);
    builder.symlink("link", "d");
    builder.file("link/file", "text");
  }
  EXPECT_EQ(failure(), "app.tar: link/file: link is not a directory");
}

TEST_F(Tar, RefusesARootThatIsNoDirectory) {
  ArchiveBuilder(archive()).symlink("./", "elsewhere");
  EXPECT_EQ(failure(), "app.tar: ./: the root must be a directory");
}

TEST_F(Tar, LeavesOutWhatAPatternMatches) {
  {
    ArchiveBuilder builder(archive());
    builder.file("./src/a.o", "");
    builder.file("./src/a.c", "");
    builder.file("./.git/config", "");
    builder.file("./.gitignore", "");
  }
  const Image image = import({.exclude = {"*.o", ".git"}});
  EXPECT_EQ(test::list(image, u""), (Names{".gitignore", "src"}));
  EXPECT_EQ(test::list(image, u"src"), Names{"a.c"});
}

TEST_F(Tar, NamesBothFilesThatACaseInsensitiveImageWouldTakeForOne) {
  {
    ArchiveBuilder builder(archive());
    builder.file("d/README", "");
    builder.file("d/README", "");
    builder.file("D/other", "");
  }
  EXPECT_EQ(failure({.case_insensitive = true}),
            "app.tar: D/other: 'd' and 'D' are one name in a case-insensitive image");
}

TEST_F(Tar, OverridesMetadata) {
  ArchiveBuilder(archive()).file("d/file", "text");
  ImportOptions options;
  options.overrides.owner = 42;
  options.overrides.mtime = timespec{7, 0};
  const Image image = import(options);
  for (const char16_t* path : {u"", u"d", u"d\\file"}) {
    EXPECT_EQ(attributes(image, path).st_uid, 42U);
    EXPECT_EQ(attributes(image, path).st_mtim.tv_sec, 7);
  }
}

TEST_F(Tar, ReadsExtendedAttributesInTheFormOfLibarchive) {
  ArchiveBuilder(archive()).file_with_record("file", "LIBARCHIVE.xattr.user.a%20b", "dmFsdWU=");
  const Image image = import();
  EXPECT_EQ(posix::get_xattr(image, test::file_at(image, u"file"), "user.a b"), "value");
}

TEST_F(Tar, KeepsAttributesOfOtherSystemsWhereLinuxCanHaveThem) {
  {
    // As bsdtar of macOS writes them, twice.
    ArchiveBuilder builder(archive());
    builder.file_with_record("a", "SCHILY.xattr.com.apple.provenance", "value");
    builder.file_with_record("b", "LIBARCHIVE.xattr.com.apple.provenance", "dmFsdWU=");
    builder.directory("d/", 0755, {{"SCHILY.xattr.noprefix", "x"}, {"SCHILY.xattr.btrfs.y", "y"}});
    builder.symlink("link", "a", {{"SCHILY.xattr.com.apple.provenance", "value"}});
    builder.symlink("link too", "a", {{"SCHILY.xattr.com.apple.provenance", "value"}});
  }
  const Image image = import();
  EXPECT_EQ(progress_.warnings,
            (Names{"app.tar: a: extended attribute com.apple.provenance is in no namespace of "
                   "Linux; kept with the prefix user., as are all others like it",
                   "app.tar: link: extended attribute com.apple.provenance is in no namespace of "
                   "Linux; left out, as are all others like it: only regular files and directories "
                   "can have them as user. attributes"}));
  const auto xattrs_of = [&](std::u16string_view path) {
    return posix::stored_xattrs(image, test::file_at(image, path));
  };
  using Xattrs = std::vector<std::pair<std::string, std::string>>;
  EXPECT_EQ(xattrs_of(u"a"), (Xattrs{{"user.com.apple.provenance", "value"}}));
  EXPECT_EQ(xattrs_of(u"b"), (Xattrs{{"user.com.apple.provenance", "value"}}));
  EXPECT_EQ(xattrs_of(u"d"), (Xattrs{{"btrfs.y", "y"}, {"user.noprefix", "x"}}));
  EXPECT_EQ(xattrs_of(u"link"), Xattrs());
  EXPECT_EQ(left_out_, 0U);
}

TEST_F(Tar, KeepsTheAttributeOfLinuxBesideOneOfAnotherSystem) {
  {
    ArchiveBuilder builder(archive());
    builder.directory("same/", 0755, {{"SCHILY.xattr.user.n", "x"}, {"SCHILY.xattr.n", "x"}});
    builder.directory("two/", 0755, {{"SCHILY.xattr.n", "lost"}, {"SCHILY.xattr.user.n", "x"}});
  }
  const Image image = import();
  EXPECT_EQ(progress_.warnings,
            (Names{"app.tar: two/: extended attribute n is in no namespace of Linux, and user.n is "
                   "taken; left out"}));
  EXPECT_EQ(posix::get_xattr(image, test::file_at(image, u"two"), "user.n"), "x");
}

TEST_F(Tar, WarnsOfAccessControlListsForUnknownUsers) {
  ArchiveBuilder(archive()).file_with_record(
      "file", "SCHILY.acl.access",
      "user::rw-,user:nobody-has-this-name:rw-,user:5:r--,group::r--,mask::rw-,other::---", 0660);
  const Image image = import();
  EXPECT_EQ(progress_.warnings,
            Names{"app.tar: file: its access control list names nobody-has-this-name, who is "
                  "unknown here; left out of the list"});
  const File file = test::file_at(image, u"file");
  const auto acl =
      posix::decode_acl(posix::get_xattr(image, file, "system.posix_acl_access").value());
  EXPECT_EQ(posix::acl_text(acl.value()), "user::rw-,user:5:r--,group::r--,mask::rw-,other::---");
  EXPECT_EQ(attributes(image, u"file").st_mode, S_IFREG | 0660U);
}

TEST_F(Tar, KeepsWhatOnlyClaimsToBeAnAccessControlList) {
  constexpr const char* record = "SCHILY.xattr.system.posix_acl_access";
  for (const std::string value : {"", "junk", "\2\1\1\1junk"}) {
    ArchiveBuilder(archive()).file_with_record("file", record, value);
    const std::string bytes = exported(import({}, std::to_string(value.size()) + ".cim"));
    EXPECT_NE(bytes.find(record + ("=" + value) + "\n"), std::string::npos);
  }
}

TEST_F(Tar, WarnsOfSocketsItCannotExport) {
  ASSERT_EQ(mknod(source("socket").c_str(), S_IFSOCK | 0600, 0), 0);
  write_file(source("zz"), "text");
  const Image image(make_image(images(), "image.cim", source()));
  const FileDescriptor null(open("/dev/null", O_WRONLY | O_CLOEXEC));
  FileOutput output(null.get(), "null");
  EXPECT_EQ(export_tar(image, output, progress_), 1U);
  EXPECT_EQ(progress_.warnings, Names{"socket: a tar archive cannot hold a socket; left out"});
  EXPECT_EQ(progress_.done.files, 3U);
}

TEST_F(Tar, WarnsOfStreamsItCannotExport) {
  Writer writer(new_image(images(), "image.cim"));
  put_with_streams(writer, u"file", "text");
  writer.commit();
  const FileDescriptor null(open("/dev/null", O_WRONLY | O_CLOEXEC));
  FileOutput output(null.get(), "null");
  EXPECT_EQ(export_tar(Image(image_path("image.cim")), output, progress_), 3U);
  const std::string stream = "file: alternate stream ";
  std::sort(progress_.warnings.begin(), progress_.warnings.end());
  EXPECT_EQ(
      progress_.warnings,
      (Names{stream + "large is too large for an extended attribute; left out",
             stream + long_stream_name + " has too long a name for an extended attribute; left out",
             stream + "taken has the name of an extended attribute of the file; left out"}));
}

TEST_F(Tar, TruncatedArchivesAreErrorsWhereverTheyEnd) {
  {
    ArchiveBuilder builder(archive());
    builder.file("first", std::string(5000, 'x'));
    builder.file(std::string(200, 'n'), "text");
  }
  const std::string whole = read_file(archive());
  ASSERT_EQ(failure(), "(none)");
  const std::size_t end_of_first = 512 + 5120;
  for (std::size_t size = 0; size + 1024 < whole.size(); size += 256) {
    if (size == end_of_first) continue;
    write_file(archive(), whole.substr(0, size));
    EXPECT_EQ(failure().substr(0, 9), "app.tar: ") << size;
  }
  EXPECT_TRUE(fs::is_empty(images()));
}

// Like GNU tar, which some programs that write archives rely on.
TEST_F(Tar, ArchiveThatEndsBetweenMembersIsReadWithAWarning) {
  {
    ArchiveBuilder builder(archive());
    builder.file("first", "text");
    builder.file("second", "text");
  }
  fs::resize_file(archive(), 2048);
  for (const char* command : {"true", "gzip archive.tar && mv archive.tar.gz archive.tar"}) {
    run(command);
    progress_.warnings.clear();
    const Image image = import({}, std::string(command).substr(0, 4) + ".cim");
    EXPECT_EQ(test::list(image, u""), (Names{"first", "second"}));
    EXPECT_EQ(progress_.warnings, Names{"app.tar: has no end mark; it may have been cut off"});
    EXPECT_EQ(left_out_, 0U);
  }
}

TEST_F(Tar, ArchiveWithOneBlockOfTheEndMarkIsWhole) {
  ArchiveBuilder(archive()).file("first", "");
  fs::resize_file(archive(), 1024);
  import();
  EXPECT_EQ(progress_.warnings, Names{});
}

// A pax header for all later members.
std::string global_header(const std::vector<std::pair<std::string, std::string>>& records) {
  std::string text;
  for (const auto& [key, value] : records) add_pax_record(text, key, value);
  UstarHeader header = pax_header("global", text.size());
  header.type = pax_global_header_type;
  set_checksum(header);
  return std::string(bytes_of(header)) + text + padding_after(text.size());
}

class GlobalHeaders : public Tar {
 protected:
  // The archive that `build` makes, without its end mark.
  template <typename Build>
  std::string members(Build&& build) {
    {
      ArchiveBuilder builder(archive());
      build(builder);
    }
    const std::string bytes = read_file(archive());
    return bytes.substr(0, bytes.size() - 1024);
  }

  void write_archive(const std::string& bytes) const {
    write_file(archive(), bytes + std::string(1024, '\0'));
  }
};

TEST_F(GlobalHeaders, CountForTheMembersThatFollow) {
  const std::string value("\0=\n", 3);
  write_archive(members([](ArchiveBuilder& builder) { builder.file("before", "1"); }) +
                global_header({{"uid", "4242"},
                               {"gid", "77"},
                               {"mtime", "-0.5"},
                               {"comment", "0123456789abcdef"},
                               {"SCHILY.xattr.user.a", value},
                               {"SCHILY.acl.access",
                                "user::rw-,user:5:r--,group::r--,mask::r--,"
                                "other::---"}}) +
                members([](ArchiveBuilder& builder) {
                  builder.file("long/" + std::string(150, 'n'), std::string(3'000'000, 'x'));
                  builder.directory("d/", 0750);
                  builder.hard_link("link", "before");
                  builder.symlink("symlink", std::string(150, 't'));
                  builder.file_with_record("own", "SCHILY.xattr.user.a", "own");
                }));
  const Image image = import();
  EXPECT_EQ(progress_.warnings, Names{});
  EXPECT_EQ(attributes(image, u"before").st_uid, 0U);
  EXPECT_EQ(image.resolve(u"link"), image.resolve(u"before"));
  const std::u16string long_path = u"long\\" + std::u16string(150, u'n');
  for (const std::u16string& path :
       {long_path, std::u16string(u"d"), std::u16string(u"symlink"), std::u16string(u"own")}) {
    const struct stat status = attributes(image, path);
    EXPECT_EQ(status.st_uid, 4242U);
    EXPECT_EQ(status.st_gid, 77U);
    EXPECT_EQ(status.st_mtim.tv_sec, -1);
    EXPECT_EQ(status.st_mtim.tv_nsec, 500'000'000);
    const File file = test::file_at(image, path);
    EXPECT_EQ(posix::get_xattr(image, file, "user.a"), path == u"own" ? "own" : value);
    const auto acl =
        posix::decode_acl(posix::get_xattr(image, file, "system.posix_acl_access").value());
    EXPECT_EQ(posix::acl_text(acl.value()), "user::rw-,user:5:r--,group::r--,mask::r--,other::---");
  }
  EXPECT_EQ(test::content(image, long_path), std::string(3'000'000, 'x'));
}

TEST_F(GlobalHeaders, LaterOnesReplaceEarlierOnes) {
  const auto file = [&](const std::string& name) {
    return members([&](ArchiveBuilder& builder) { builder.file(name, name); });
  };
  write_archive(global_header({{"uid", "1"}, {"gid", "2"}}) + file("a") +
                global_header({{"uid", "3"}}) + file("b") + global_header({{"uid", ""}}) +
                file("c"));
  const Image image = import();
  EXPECT_EQ(attributes(image, u"a").st_uid, 1U);
  EXPECT_EQ(attributes(image, u"b").st_uid, 3U);
  EXPECT_EQ(attributes(image, u"b").st_gid, 2U);
  EXPECT_EQ(attributes(image, u"c").st_uid, 0U);
  EXPECT_EQ(attributes(image, u"c").st_gid, 2U);
  EXPECT_EQ(test::content(image, u"c"), "c");
}

TEST_F(GlobalHeaders, OfGnuTarCountAsForGnuTar) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may give files away";
  make_zoo();
  write_file(source("sparse"), "");
  fs::resize_file(source("sparse"), 10'000'000);
  round_times();
  run("touch -d @5 source/large");  // gets no record of its time, unlike the others
  for (const std::string options : {"", " --sparse", " --sparse --sparse-version=0.0", " --gzip"}) {
    SCOPED_TRACE(options);
    fs::remove_all(extracted());
    fs::create_directory(extracted());
    run("tar -C source --format=pax --pax-option='uid=4242,gid=77,mtime=1234567.25' -cf "
        "archive.tar . " +
        options + " && tar -C extracted --same-owner -xpf archive.tar");
    const auto expected = snapshot(extracted());
    fs::remove_all(extracted());
    fs::remove(image_path("image.cim"));
    extract(import(), extracted(), {}, progress_);
    EXPECT_EQ(snapshot(extracted()), expected);
    EXPECT_EQ(progress_.warnings, Names{});
  }
}

TEST_F(GlobalHeaders, CountInPiecesOfAnySize) {
  write_archive(global_header({{"uid", "4242"}, {"comment", std::string(3000, 'c')}}) +
                members([](ArchiveBuilder& builder) {
                  builder.file("a", std::string(5000, 'x'));
                  builder.file(std::string(200, 'b'), "text");
                }));
  const std::string bytes = read_file(archive());
  for (const std::size_t piece : {1, 511, 513, 4000}) {
    SCOPED_TRACE(piece);
    std::array<int, 2> ends = {};
    ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
    const FileDescriptor in(ends[0]);
    std::thread producer([&, out = FileDescriptor(ends[1])] {
      for (std::size_t start = 0; start < bytes.size(); start += piece) {
        // The reader gets the data that is available, seldom more than one piece.
        const std::string part = bytes.substr(start, piece);
        if (write(out.get(), part.data(), part.size()) < 0) return;
      }
    });
    Writer writer(new_image(images(), "image.cim"));
    import_archive(writer, in.get(), "pipe", {}, progress_);
    producer.join();
    writer.commit();
    const Image image(image_path("image.cim"));
    EXPECT_EQ(attributes(image, u"a").st_uid, 4242U);
    EXPECT_EQ(attributes(image, std::u16string(200, u'b')).st_uid, 4242U);
    EXPECT_EQ(test::content(image, u"a"), std::string(5000, 'x'));
    fs::remove(image_path("image.cim"));
  }
}

TEST_F(GlobalHeaders, ThatMakeNoSenseAreErrors) {
  const std::string file = members([](ArchiveBuilder& builder) { builder.file("a", "a"); });
  write_archive(global_header({{"size", "0"}}) + file);
  EXPECT_EQ(failure(), "app.tar: a global header gives all members one 'size'");
  write_archive(global_header({{"GNU.sparse.realsize", "5"}}) + file);
  EXPECT_EQ(failure(), "app.tar: a global header gives all members one 'GNU.sparse.realsize'");
  std::string malformed = global_header({{"uid", "5"}});
  malformed[512] = '9';
  write_archive(malformed + file);
  EXPECT_EQ(failure(), "app.tar: a global header is malformed");
}

TEST_F(Tar, AMalformedPaxHeaderIsAnError) {
  // The first claims 4 GiB.
  for (const std::string text : {"4294967296 SCHILY.xattr.user.a=b\n", "12 uid=5\n", "8 uid=5;"}) {
    UstarHeader header = pax_header("a", text.size());
    std::string bytes = std::string(bytes_of(header)) + text + padding_after(text.size());
    {
      ArchiveBuilder builder(archive());
      builder.file("a", "a");
    }
    write_file(archive(), bytes + read_file(archive()));
    EXPECT_EQ(failure(), "app.tar: a: its pax header is malformed") << text;
    EXPECT_EQ(progress_.warnings, Names{});
  }
}

TEST_F(Tar, GarbageIsAnError) {
  write_file(archive(), std::string(10000, 'g'));
  EXPECT_EQ(failure(), "app.tar: Unrecognized archive format");
}

TEST_F(Tar, DamageIsAnError) {
  {
    ArchiveBuilder builder(archive());
    builder.file("first", "text");
    builder.file("second", "text");
  }
  std::string bytes = read_file(archive());
  bytes[1024 + 3] ^= 1;  // in the name of the second member
  write_file(archive(), bytes);
  EXPECT_EQ(failure(), "app.tar: Damaged tar archive");
}

TEST_F(Tar, MemberShorterThanItsSizeIsAnError) {
  ArchiveBuilder(archive()).file_with_record("file", "SCHILY.realsize", "100");
  EXPECT_EQ(failure(), "app.tar: file: is shorter than its size");
}

TEST_F(Tar, ReadsFromAPipeToItsEnd) {
  write_file(source("file"), "text");
  std::array<int, 2> ends = {};
  ASSERT_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  const FileDescriptor in(ends[0]);
  FileDescriptor out(ends[1]);
  run("tar -C source -cf archive.tar . && head -c 30000 /dev/zero >>archive.tar");
  const std::string bytes = read_file(archive());
  ASSERT_EQ(write(out.get(), bytes.data(), bytes.size()), static_cast<ssize_t>(bytes.size()));
  out = FileDescriptor();
  Writer writer(new_image(images(), "image.cim"));
  import_archive(writer, in.get(), "pipe", {}, progress_);
  char more = 0;
  EXPECT_EQ(read(in.get(), &more, 1), 0) << "input was left";
}

TEST_F(Tar, OnlyNamesInUtf8HaveARecordThatSaysSo) {
  const auto has_record = [this](const std::string& name) {
    ArchiveBuilder(archive()).directory(name, 0755);
    return read_file(archive()).find(" path=" + name + "\n") != std::string::npos;
  };
  EXPECT_TRUE(has_record("\u00e9"));
  EXPECT_TRUE(has_record("\uf03a"));  // stands for a `:` in an image
  EXPECT_FALSE(has_record("e"));
  EXPECT_FALSE(has_record("\xFF"));
  EXPECT_FALSE(has_record("\ufdd0\xED\xA0\x80"));  // an image name that is no UTF-16
}

TEST_F(Tar, ExportReportsWhatWasMeasured) {
  make_zoo();
  const Image image(make_image(images(), "image.cim", source()));
  const Amount measured = measure_image(image, {});
  exported(image);
  EXPECT_EQ(progress_.done.files, measured.files);
  EXPECT_EQ(progress_.done.bytes, measured.bytes);
}

TEST_F(Tar, ExportNamesTheArchiveThatCannotBeWritten) {
  const Image image(make_image(images(), "image.cim", source()));
  const FileDescriptor full(open("/dev/full", O_WRONLY | O_CLOEXEC));
  try {
    FileOutput output(full.get(), "out.tar");
    export_tar(image, output, progress_);
    FAIL() << "nothing was written, and nothing said";
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "out.tar: No space left on device");
  }
}

}  // namespace
}  // namespace cim::transfer
