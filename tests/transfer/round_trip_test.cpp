// Trees that go into an image and come back out.
#include <array>
#include <cerrno>
#include <climits>

#include <boost/filesystem.hpp>
#include <cim/image.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "image/file_descriptor.h"
#include "image/odd_names.h"
#include "support/image_content.h"
#include "support/temporary_directory.h"
#include "transfer/directory_source.h"
#include "transfer/extract.h"
#include "transfer/import.h"
#include "transfer/tree_comparison.h"
#include "tree.h"

namespace cim::transfer {
namespace {

namespace fs = boost::filesystem;

class RoundTrip : public testing::Test {
 protected:
  RoundTrip() {
    fs::create_directory(source());
    fs::create_directory(directory_ / "images");
  }

  std::string source() const { return directory_ / "source"; }
  std::string source(const std::string& name) const { return source() + "/" + name; }
  std::string extracted() const { return directory_ / "extracted"; }
  std::string extracted(const std::string& name) const { return extracted() + "/" + name; }

  void make_trip() {
    const std::string path = make_image(directory_ / "images", "image.cim", source());
    const Image image(path);
    extract(image, extracted(), {}, progress_);
  }

  // Expects to get the same tree back, with no loss on the way.
  void expect_same_tree() {
    make_trip();
    EXPECT_EQ(snapshot(extracted()), snapshot(source()));
    EXPECT_TRUE(progress_.warnings.empty()) << progress_.warnings.front();
  }

  const test::TemporaryDirectory directory_;
  RecordingProgress progress_;
};

TEST_F(RoundTrip, KeepsAnEmptyTree) { expect_same_tree(); }

TEST_F(RoundTrip, KeepsContentsOfEverySize) {
  for (const std::size_t size : {0, 1, 4095, 4096, 4097, 65536, 1 << 20, (1 << 20) + 1}) {
    std::string content(size, '\0');
    for (std::size_t index = 0; index < size; ++index)
      content[index] = static_cast<char>(index % 251);
    write_file(source(std::to_string(size)), content);
  }
  expect_same_tree();
}

// Names that only an image can have come back too, in an image made from the extracted files.
TEST_F(RoundTrip, KeepsNamesThatOnlyAnImageCanHave) {
  const Image image(test::forge_odd_names(directory_ / "images"));
  extract(image, extracted(), {}, progress_);
  EXPECT_TRUE(progress_.warnings.empty()) << progress_.warnings.front();
  const Image again(make_image(directory_ / "images", "again.cim", extracted()));
  for (const std::u16string& name : test::odd_names()) {
    EXPECT_EQ(test::content(again, name), image_to_linux_name(name));
  }
  EXPECT_EQ(test::list(again, u"").size(), test::odd_names().size());
}

TEST_F(RoundTrip, KeepsDirectoriesFullAndEmpty) {
  fs::create_directories(source("a/b/c/d"));
  fs::create_directory(source("empty"));
  write_file(source("a/b/file"), "text");
  expect_same_tree();
}

// Limits the number of descriptors of the process while it lives.
class DescriptorLimit {
 public:
  explicit DescriptorLimit(rlim_t descriptors) {
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit limit = {.rlim_cur = descriptors, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  DescriptorLimit(const DescriptorLimit&) = delete;
  DescriptorLimit& operator=(const DescriptorLimit&) = delete;
  ~DescriptorLimit() { setrlimit(RLIMIT_NOFILE, &before_); }

 private:
  rlimit before_ = {};
};

TEST_F(RoundTrip, KeepsTreesDeeperThanThereAreDescriptors) {
  constexpr rlim_t descriptors = 200;
  std::string path = source();
  for (rlim_t depth = 0; depth < 2 * descriptors; ++depth) {
    path += "/d";
    fs::create_directory(path);
    // There is a file on both sides of the directory, so that the walk returns to each level.
    if (depth % 50 == 0) write_file(path + "/a", path);
    if (depth % 50 == 0) fs::create_hard_link(path + "/a", path + "/z");
  }
  ASSERT_EQ(chmod(source("d").c_str(), 0550), 0);
  {
    const DescriptorLimit limit(descriptors);
    make_trip();
    EXPECT_EQ(measure_tree(source(), {}).files, progress_.done.files);
    const auto before = open_tree(source());
    const auto after = open_tree(extracted());
    EXPECT_FALSE(TreeComparison(*before, *after).next());
  }
  EXPECT_EQ(snapshot(extracted()), snapshot(source()));
  EXPECT_TRUE(progress_.warnings.empty()) << progress_.warnings.front();
}

TEST_F(RoundTrip, KeepsOddNames) {
  for (const std::string name : {"new\nline", "tab\t", "back\\slash", "a:b*c?d\"e<f>g|h", " ",
                                 "...", "-rf", "xt_MARK", "xt_mark", "\xFF\xFE", "\xED\xA0\x80",
                                 "\xEF\x80\xAA", "\xF0\x9F\x98\x80", "\x01", "trailing.", "CON"}) {
    write_file(source(name), name);
  }
  write_file(source(std::string(255, 'n')), "longest");
  expect_same_tree();
}

TEST_F(RoundTrip, KeepsSymbolicLinksWhereverTheyPoint) {
  for (const std::string target :
       {".", "/", "/etc/passwd", "../../..", "no such", "back\\slash", "\xFF"}) {
    fs::create_symlink(target, source(std::to_string(std::hash<std::string>()(target))));
  }
  fs::create_symlink(std::string(PATH_MAX - 1, 't'), source("longest"));
  expect_same_tree();
}

TEST_F(RoundTrip, KeepsHardLinksAcrossDirectories) {
  fs::create_directories(source("a/b"));
  write_file(source("a/b/first"), "shared");
  fs::create_hard_link(source("a/b/first"), source("second"));
  fs::create_hard_link(source("a/b/first"), source("a/third"));
  fs::create_symlink("target", source("link"));
  ASSERT_EQ(linkat(AT_FDCWD, source("link").c_str(), AT_FDCWD, source("link2").c_str(), 0), 0);
  expect_same_tree();
}

TEST_F(RoundTrip, KeepsModes) {
  for (const mode_t mode : {0400, 0644, 0755, 0777, 01777, 02755, 04711, 06555}) {
    const std::string file = source("f" + std::to_string(mode));
    write_file(file, "x");
    ASSERT_EQ(chmod(file.c_str(), mode), 0);
    const std::string directory = source("d" + std::to_string(mode));
    fs::create_directory(directory);
    ASSERT_EQ(chmod(directory.c_str(), mode | S_IRWXU), 0);
  }
  expect_same_tree();
}

TEST_F(RoundTrip, KeepsReadOnlyDirectoriesWithContents) {
  fs::create_directory(source("d"));
  write_file(source("d/file"), "x");
  ASSERT_EQ(chmod(source("d").c_str(), 0555), 0);
  expect_same_tree();
  chmod(source("d").c_str(), 0755);  // so that they can be removed
  chmod(extracted("d").c_str(), 0755);
}

TEST_F(RoundTrip, KeepsOwners) {
  if (geteuid() != 0) GTEST_SKIP() << "only root may give files away";
  write_file(source("file"), "x");
  fs::create_symlink("file", source("link"));
  ASSERT_EQ(lchown(source("file").c_str(), 1234, 4000000000), 0);
  ASSERT_EQ(lchown(source("link").c_str(), 1, 2), 0);
  ASSERT_EQ(chmod(source("file").c_str(), 06755), 0);
  expect_same_tree();
}

TEST_F(RoundTrip, KeepsModificationTimesTo100Nanoseconds) {
  fs::create_directory(source("d"));
  write_file(source("d/file"), "x");
  fs::create_symlink("x", source("link"));
  const std::array<timespec, 2> times = {timespec{1, 0}, timespec{981173106, 123456789}};
  for (const char* name : {"d/file", "link", "d"}) {
    ASSERT_EQ(utimensat(AT_FDCWD, source(name).c_str(), times.data(), AT_SYMLINK_NOFOLLOW), 0);
  }
  write_file(source("old"), "x");
  const std::array<timespec, 2> old = {timespec{-1, 0}, timespec{-1000000000, 500}};
  ASSERT_EQ(utimensat(AT_FDCWD, source("old").c_str(), old.data(), 0), 0);
  expect_same_tree();
}

TEST_F(RoundTrip, KeepsFifosAndSockets) {
  ASSERT_EQ(mkfifo(source("fifo").c_str(), 0640), 0);
  ASSERT_EQ(mknod(source("socket").c_str(), S_IFSOCK | 0600, 0), 0);
  expect_same_tree();
}

TEST_F(RoundTrip, KeepsDevices) {
  if (mknod(source("null").c_str(), S_IFCHR | 0666, makedev(1, 3)) != 0) {
    ASSERT_EQ(errno, EPERM);
    GTEST_SKIP() << "this user may not make devices";
  }
  ASSERT_EQ(mknod(source("disk").c_str(), S_IFBLK | 0600, makedev(259, 70000)), 0);
  expect_same_tree();
}

TEST_F(RoundTrip, KeepsExtendedAttributes) {
  write_file(source("file"), "x");
  fs::create_directory(source("d"));
  const std::string value("\0\1\2", 3);
  if (setxattr(source("file").c_str(), "user.a", value.data(), value.size(), 0) != 0) {
    ASSERT_EQ(errno, ENOTSUP);
    GTEST_SKIP() << "the file system has no extended attributes";
  }
  ASSERT_EQ(setxattr(source("file").c_str(), "user.empty", "", 0, 0), 0);
  ASSERT_EQ(setxattr(source("d").c_str(), "user.b", "on a directory", 14, 0), 0);
  ASSERT_EQ(chmod(source("file").c_str(), 0444), 0);
  expect_same_tree();
}

TEST_F(RoundTrip, KeepsHoles) {
  constexpr off_t size = 64 << 20;
  constexpr off_t data_at = 10 << 20;
  write_file(source("holes"), "");
  const FileDescriptor file(open(source("holes").c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(ftruncate(file.get(), size), 0);
  ASSERT_EQ(pwrite(file.get(), "data", 4, data_at), 4);
  expect_same_tree();

  struct stat status = {};
  ASSERT_EQ(stat(extracted("holes").c_str(), &status), 0);
  EXPECT_EQ(status.st_size, size);
  EXPECT_LT(status.st_blocks * 512, 1 << 20);
}

TEST_F(RoundTrip, ReportsTheSameAmountAsWasMeasured) {
  fs::create_directory(source("d"));
  write_file(source("d/file"), std::string(10000, 'x'));
  fs::create_hard_link(source("d/file"), source("second"));
  fs::create_symlink("x", source("link"));
  const Image image(make_image(directory_ / "images", "image.cim", source()));
  extract(image, extracted(), {}, progress_);
  EXPECT_EQ(progress_.done.files, 5U);
  EXPECT_EQ(progress_.done.bytes, 20000U);
  const Amount measured = measure_image(image, {});
  EXPECT_EQ(measured.files, 5U);
  EXPECT_EQ(measured.bytes, 20000U);
}

}  // namespace
}  // namespace cim::transfer
