// Linux metadata on its way into an image.
#include "posix/linux_metadata.h"

#include <cerrno>
#include <cstring>
#include <fstream>

#include <cim/error.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "format/extended_attributes.h"
#include "format/filetime.h"
#include "format/reparse.h"
#include "image/file_descriptor.h"
#include "support/temporary_directory.h"

namespace cim::posix {
namespace {

LinuxMetadata with_mode(mode_t mode) {
  LinuxMetadata metadata;
  metadata.status.st_mode = mode;
  return metadata;
}

std::vector<std::string> ea_names(const EncodedMetadata& metadata) {
  std::vector<std::string> names;
  format::EaReader reader(metadata.get().extended_attributes);
  while (const auto ea = reader.next()) names.emplace_back(ea->name);
  return names;
}

std::string ea_value(const EncodedMetadata& metadata, const std::string& name) {
  const auto value = format::find_extended_attribute(metadata.get().extended_attributes, name);
  if (!value) return "(none)";
  return {reinterpret_cast<const char*>(value->data()), value->size()};
}

std::string u32(std::uint32_t value) {
  return {reinterpret_cast<const char*>(&value), sizeof(value)};
}

std::uint32_t reparse_tag(const EncodedMetadata& metadata) {
  std::uint32_t tag = 0;
  const ByteView data = metadata.get().reparse_data;
  if (data.size() >= sizeof(tag)) std::memcpy(&tag, data.data(), sizeof(tag));
  return tag;
}

FileDescriptor open_path(const std::string& path) {
  return FileDescriptor(open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

TEST(EncodedMetadata, StoresOwnerAndModeWithTypeBitsAsExtendedAttributes) {
  LinuxMetadata source = with_mode(S_IFREG | 04751);
  source.status.st_uid = 1000;
  source.status.st_gid = 4294967294;
  const EncodedMetadata metadata(source);
  EXPECT_EQ(ea_value(metadata, "$LXUID"), u32(1000));
  EXPECT_EQ(ea_value(metadata, "$LXGID"), u32(4294967294));
  EXPECT_EQ(ea_value(metadata, "$LXMOD"), u32(0104751));
}

TEST(EncodedMetadata, StoresXattrsAfterTheOwnerWithPrefixes) {
  LinuxMetadata source = with_mode(S_IFREG | 0644);
  source.xattrs = {{"user.a", "1"}, {"user.b", ""}};
  const EncodedMetadata metadata(source);
  const std::vector<std::string> expected = {"$LXUID", "$LXGID", "$LXMOD", "LX.user.a",
                                             "LX.user.b"};
  EXPECT_EQ(ea_names(metadata), expected);
  EXPECT_EQ(ea_value(metadata, "LX.user.a"), "lxea1");
  EXPECT_EQ(ea_value(metadata, "LX.user.b"), "lxea");
}

TEST(EncodedMetadata, StoresDeviceNumbersOfDevicesOnly) {
  LinuxMetadata source = with_mode(S_IFBLK | 0600);
  source.status.st_rdev = makedev(259, 70000);
  EXPECT_EQ(ea_value(EncodedMetadata(source), "$LXDEV"), u32(259) + u32(70000));
  source.status.st_mode = S_IFREG | 0600;
  EXPECT_EQ(ea_value(EncodedMetadata(source), "$LXDEV"), "(none)");
}

TEST(EncodedMetadata, GivesEachSpecialFileItsReparseTag) {
  const std::pair<mode_t, std::uint32_t> tags[] = {
      {S_IFLNK, 0xA000001D},  {S_IFIFO, 0x80000024}, {S_IFCHR, 0x80000025}, {S_IFBLK, 0x80000026},
      {S_IFSOCK, 0x80000023}, {S_IFREG, 0},          {S_IFDIR, 0},
  };
  for (const auto& [type, tag] : tags) {
    EXPECT_EQ(reparse_tag(EncodedMetadata(with_mode(type | 0644))), tag) << std::oct << type;
  }
}

TEST(EncodedMetadata, StoresTheTargetOfASymbolicLink) {
  LinuxMetadata source = with_mode(S_IFLNK | 0777);
  source.symlink_target = "../over/there";
  const EncodedMetadata metadata(source);
  EXPECT_EQ(format::lx_symlink_target(metadata.get().reparse_data), "../over/there");
}

TEST(EncodedMetadata, IsReadOnlyWhenNobodyMayWrite) {
  EXPECT_EQ(EncodedMetadata(with_mode(S_IFREG | 0555)).get().attributes, attribute::read_only);
  EXPECT_EQ(EncodedMetadata(with_mode(S_IFREG | 0464)).get().attributes, 0U);
  EXPECT_EQ(EncodedMetadata(with_mode(S_IFDIR | 0755)).get().attributes, attribute::directory);
}

TEST(EncodedMetadata, HasTheModificationTimeDownTo100NanosecondsAsEveryTime) {
  LinuxMetadata source = with_mode(S_IFREG | 0644);
  source.status.st_atim = {.tv_sec = 2, .tv_nsec = 0};
  source.status.st_ctim = {.tv_sec = 3, .tv_nsec = 0};
  const std::int64_t epoch = format::filetime_unix_epoch;
  for (const auto& [time, expected] :
       {std::pair(timespec{.tv_sec = 1, .tv_nsec = 199}, epoch + 10000001),
        std::pair(timespec{.tv_sec = -1, .tv_nsec = 999999999}, epoch - 1)}) {
    source.status.st_mtim = time;
    const EncodedMetadata metadata(source);
    EXPECT_EQ(metadata.get().last_write_time, expected);
    EXPECT_EQ(metadata.get().last_access_time, expected);
    EXPECT_EQ(metadata.get().change_time, expected);
    EXPECT_EQ(metadata.get().creation_time, expected);
  }
}

TEST(EncodedMetadata, RefusesXattrsThatTheFormatCannotHoldAndNamesOne) {
  LinuxMetadata source = with_mode(S_IFREG | 0644);
  source.xattrs = {{"user.huge", std::string(65000, 'x')}, {"user.more", std::string(1000, 'x')}};
  try {
    const EncodedMetadata metadata(source);
    FAIL() << "66 KB of attributes fitted into 64 KiB";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::limit_exceeded);
    EXPECT_NE(std::string(error.what()).find("user.more"), std::string::npos) << error.what();
  }
}

TEST(ReadMetadata, ReadsWhatStatSays) {
  const test::TemporaryDirectory directory;
  std::ofstream(directory / "file") << "12345";
  ASSERT_EQ(chmod((directory / "file").c_str(), 0640), 0);
  struct stat expected;
  ASSERT_EQ(lstat((directory / "file").c_str(), &expected), 0);

  const FileDescriptor fd = open_path(directory / "file");
  const LinuxMetadata metadata = read_metadata(fd.get(), "file");
  EXPECT_EQ(metadata.status.st_mode, S_IFREG | 0640U);
  EXPECT_EQ(metadata.status.st_size, 5);
  EXPECT_EQ(metadata.status.st_ino, expected.st_ino);
  EXPECT_EQ(metadata.status.st_dev, expected.st_dev);
  EXPECT_EQ(metadata.status.st_nlink, 1U);
  EXPECT_EQ(metadata.status.st_uid, expected.st_uid);
  EXPECT_EQ(metadata.status.st_blocks, expected.st_blocks);
  EXPECT_EQ(metadata.status.st_mtim.tv_sec, expected.st_mtim.tv_sec);
  EXPECT_EQ(metadata.status.st_mtim.tv_nsec, expected.st_mtim.tv_nsec);
  EXPECT_EQ(metadata.status.st_ctim.tv_nsec, expected.st_ctim.tv_nsec);
}

TEST(ReadMetadata, ReadsTheTargetOfADanglingLink) {
  const test::TemporaryDirectory directory;
  ASSERT_EQ(symlink("no/such\xFF", (directory / "link").c_str()), 0);
  const FileDescriptor fd = open_path(directory / "link");
  EXPECT_EQ(read_metadata(fd.get(), "link").symlink_target, "no/such\xFF");
}

TEST(ReadMetadata, ReadsXattrsSortedThroughEitherKindOfDescriptor) {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "file";
  std::ofstream(path) << "x";
  if (setxattr(path.c_str(), "user.z", "1", 1, 0) != 0) {
    ASSERT_EQ(errno, ENOTSUP);
    GTEST_SKIP() << "the file system has no extended attributes";
  }
  ASSERT_EQ(setxattr(path.c_str(), "user.a", "\0b", 2, 0), 0);

  const std::vector<std::pair<std::string, std::string>> expected = {
      {"user.a", std::string("\0b", 2)}, {"user.z", "1"}};
  const FileDescriptor path_only = open_path(path);
  EXPECT_EQ(read_metadata(path_only.get(), path).xattrs, expected);
  const FileDescriptor readable(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(read_metadata(readable.get(), path).xattrs, expected);
}

TEST(ReadMetadata, NamesTheSubjectOfAFailure) {
  try {
    read_metadata(-1, "some/file");
    FAIL() << "there is no descriptor -1";
  } catch (const Error& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("some/file: ")) << error.what();
  }
}

}  // namespace
}  // namespace cim::posix
