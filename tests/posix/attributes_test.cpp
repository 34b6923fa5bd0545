// What files of an image are to Linux.
#include "posix/attributes.h"

#include <array>
#include <fstream>
#include <optional>

#include <cim/error.h>
#include <cim/writer.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/sysmacros.h>

#include "format/bytes.h"
#include "format/extended_attributes.h"
#include "format/filetime.h"
#include "format/reparse.h"
#include "support/error_of.h"
#include "support/image_content.h"
#include "support/temporary_directory.h"

namespace cim::posix {
namespace {

using test::error_of;
using test::file_at;
using test::put;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr MountDefaults defaults = {.uid = 11, .gid = 12, .file_mask = 0137, .directory_mask = 027};

class AttributesTest : public testing::Test {
 protected:
  // The image that `build`, given a Writer, makes.
  template <typename Build>
  const Image& image_of(Build&& build) {
    image_.reset();
    Writer writer({.directory = directory_.string(), .name = "a.cim", .replace = true});
    build(writer);
    writer.commit();
    return image_.emplace(directory_ / "a.cim");
  }

  // The image with one file, `file`, of that metadata.
  const Image& image_with(const Metadata& metadata) {
    return image_of([&](Writer& writer) { put(writer, u"file", "content", metadata); });
  }

  struct stat status(const Metadata& metadata) {
    const Image& image = image_with(metadata);
    return attributes(image, file_at(image, u"file"), defaults);
  }

  // The target of the Windows link whose reparse data is `buffer`, at directory\link.
  std::string target_of_link(ByteView buffer) {
    const Image& image = image_of([&](Writer& writer) {
      Metadata metadata;
      metadata.reparse_data = buffer;
      writer.create_directory(u"directory", {});
      put(writer, u"directory\\link", "", metadata);
    });
    const File link = file_at(image, u"directory\\link");
    EXPECT_TRUE(is_symlink(link));
    const std::string target = symlink_target(image, link);
    const struct stat link_status = attributes(image, link, defaults);
    EXPECT_TRUE(S_ISLNK(link_status.st_mode));
    EXPECT_EQ(target.size(), link_status.st_size);
    return target;
  }

 private:
  test::TemporaryDirectory directory_;
  std::optional<Image> image_;
};

void add_u32(format::EaBuilder& list, std::string_view name, std::uint32_t value) {
  list.add(name, format::bytes_of(value));
}

Metadata with(const format::EaBuilder& list) {
  Metadata metadata;
  metadata.extended_attributes = list.list();
  return metadata;
}

void append(std::vector<std::byte>& buffer, ByteView bytes) {
  buffer.insert(buffer.end(), bytes.begin(), bytes.end());
}

// Reparse data of a Windows link to `target`, without a name to print.
std::vector<std::byte> windows_link(std::uint32_t tag, std::u16string_view target,
                                    std::optional<std::uint32_t> flags) {
  const auto size = static_cast<std::uint16_t>(target.size() * sizeof(char16_t));
  std::vector<std::byte> payload;
  append(payload, format::bytes_of(std::array<std::uint16_t, 4>{0, size, size, 0}));
  if (flags) append(payload, format::bytes_of(*flags));
  append(payload, std::as_bytes(std::span(target)));
  return format::make_reparse_buffer(tag, payload);
}

std::vector<std::byte> windows_symlink(std::u16string_view target, bool relative) {
  return windows_link(format::tag_symlink, target, relative ? 1 : 0);
}

std::vector<std::byte> junction(std::u16string_view target) {
  return windows_link(format::tag_mount_point, target, std::nullopt);
}

TEST_F(AttributesTest, FilesWithoutLinuxMetadataGetTheDefaults) {
  const struct stat file = status({});
  EXPECT_EQ(S_IFREG | 0640, file.st_mode);
  EXPECT_EQ(11, file.st_uid);
  EXPECT_EQ(12, file.st_gid);
  EXPECT_EQ(7, file.st_size);
  EXPECT_EQ(1, file.st_blocks);
  const Image& image = image_of([](Writer& writer) { writer.create_directory(u"directory", {}); });
  EXPECT_EQ(S_IFDIR | 0750, attributes(image, file_at(image, u"directory"), defaults).st_mode);
}

TEST_F(AttributesTest, ReadOnlyFilesWithoutAModeCannotBeWritten) {
  Metadata metadata;
  metadata.attributes = attribute::read_only;
  EXPECT_EQ(S_IFREG | 0440, status(metadata).st_mode);
}

TEST_F(AttributesTest, TheReadOnlyFlagDoesNotChangeARecordedMode) {
  format::EaBuilder list;
  add_u32(list, "$LXMOD", S_IFREG | 0666);
  Metadata metadata = with(list);
  metadata.attributes = attribute::read_only;
  EXPECT_EQ(S_IFREG | 0666, status(metadata).st_mode);
}

TEST_F(AttributesTest, NamesOfLinuxMetadataHaveNoCase) {
  format::EaBuilder list;
  add_u32(list, "$lxmod", S_IFREG | 0604);
  add_u32(list, "$LxUid", 5);
  EXPECT_EQ(S_IFREG | 0604, status(with(list)).st_mode);
  EXPECT_EQ(5, status(with(list)).st_uid);
}

TEST_F(AttributesTest, ATypeThatContradictsTheFileIsNotBelieved) {
  format::EaBuilder list;
  add_u32(list, "$LXMOD", S_IFBLK | S_ISUID | 0755);
  list.add("$LXDEV", format::bytes_of(std::array<std::uint32_t, 2>{8, 1}));
  const struct stat file = status(with(list));
  EXPECT_EQ(S_IFREG | S_ISUID | 0755, file.st_mode);
  EXPECT_EQ(0, file.st_rdev);
}

TEST_F(AttributesTest, ValuesOfTheWrongSizeCountForNothing) {
  format::EaBuilder list;
  list.add("$LXUID", test::bytes("12"));
  list.add("$LXMOD", test::bytes("12345678"));
  const struct stat file = status(with(list));
  EXPECT_EQ(11, file.st_uid);
  EXPECT_EQ(S_IFREG | 0640, file.st_mode);
}

TEST_F(AttributesTest, DevicesHaveTheirNumber) {
  format::EaBuilder list;
  add_u32(list, "$LXMOD", S_IFCHR | 0600);
  list.add("$LXDEV", format::bytes_of(std::array<std::uint32_t, 2>{300, 70000}));
  Metadata metadata = with(list);
  const std::vector<std::byte> reparse_data = format::make_reparse_buffer(format::tag_lx_chr, {});
  metadata.reparse_data = reparse_data;
  const struct stat device = status(metadata);
  EXPECT_EQ(S_IFCHR | 0600, device.st_mode);
  EXPECT_EQ(makedev(300, 70000), device.st_rdev);
}

TEST_F(AttributesTest, TimesKeepTheirFraction) {
  Metadata metadata;
  metadata.last_write_time = format::filetime_unix_epoch - 1;
  metadata.creation_time = format::filetime_unix_epoch + 3 * format::filetime_per_second + 7;
  const Image& image = image_with(metadata);
  const File file = file_at(image, u"file");
  EXPECT_EQ(-1, attributes(image, file, defaults).st_mtim.tv_sec);
  EXPECT_EQ(999999900, attributes(image, file, defaults).st_mtim.tv_nsec);
  EXPECT_EQ(3, birth_time(file).tv_sec);
  EXPECT_EQ(700, birth_time(file).tv_nsec);
}

TEST_F(AttributesTest, BrokenLinuxMetadataIsAnErrorThatNamesTheFile) {
  format::EaBuilder list;
  add_u32(list, "$LXMOD", S_IFREG | 0644);
  const Image& image = image_with(with(list));
  File file = file_at(image, u"file");
  file.extended_attributes_length = 5;
  try {
    attributes(image, file, defaults);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(Errc::corrupt, error.code());
    EXPECT_THAT(error.what(), testing::AllOf(testing::HasSubstr("a.cim"),
                                             testing::HasSubstr(std::to_string(file.id))));
  }
}

TEST_F(AttributesTest, RelativeWindowsLinksKeepTheirTarget) {
  EXPECT_EQ("../other/file", target_of_link(windows_symlink(u"..\\other\\file", true)));
}

TEST_F(AttributesTest, AbsoluteWindowsLinksStayWithinTheImage) {
  EXPECT_EQ("../Windows/System32",
            target_of_link(windows_symlink(u"\\??\\C:\\Windows\\System32", false)));
  EXPECT_EQ("../Windows", target_of_link(windows_symlink(u"\\Windows", true)));
  EXPECT_EQ("../Users/All Users", target_of_link(junction(u"\\??\\c:\\Users\\All Users\\")));
  EXPECT_EQ("..", target_of_link(junction(u"\\??\\D:\\")));
  EXPECT_EQ("../x",
            target_of_link(junction(u"\\??\\Volume{12345678-1234-1234-1234-123456789abc}\\x")));
}

TEST_F(AttributesTest, LinksOfTheRootToTheRootPointAtIt) {
  const std::vector<std::byte> buffer = junction(u"\\??\\C:\\");
  Metadata metadata;
  metadata.reparse_data = buffer;
  const Image& image = image_with(metadata);
  EXPECT_EQ(".", symlink_target(image, file_at(image, u"file")));
}

TEST_F(AttributesTest, ALinkInADirectoryThatDoesNotExistIsAnError) {
  const std::vector<std::byte> buffer = junction(u"\\??\\C:\\x");
  const Image& image = image_of([&](Writer& writer) {
    Metadata metadata;
    metadata.reparse_data = buffer;
    writer.create_directory(u"directory", {});
    put(writer, u"directory\\link", "", metadata);
  });
  File link = file_at(image, u"directory\\link");
  link.parent = 0xFFFFFFFF;
  EXPECT_EQ(Errc::corrupt, error_of([&] { symlink_target(image, link); }));
}

TEST_F(AttributesTest, OnlyLinksHaveATarget) {
  const Image& image = image_with({});
  const File file = file_at(image, u"file");
  EXPECT_FALSE(is_symlink(file));
  EXPECT_EQ(Errc::invalid_argument, error_of([&] { symlink_target(image, file); }));
}

TEST_F(AttributesTest, XattrsAreStoredOnesAndStreams) {
  format::EaBuilder list;
  add_u32(list, "$LXMOD", S_IFREG | 0644);
  list.add("LX.user.one", test::bytes("lxeafirst"));
  list.add("LX.security.capability", test::bytes(std::string_view("lxea\0\1", 6)));
  list.add("LX.user.foreign", test::bytes("no prefix"));
  list.add("WINDOWS", test::bytes("lxea"));
  const Image& image = image_of([&](Writer& writer) {
    put(writer, u"file", "x", with(list));
    writer.create_named_stream(u"file", u"two", 6).write(test::bytes("second"));
    writer.create_named_stream(u"file", u"one", 6).write(test::bytes("hidden"));
  });
  const File file = file_at(image, u"file");
  EXPECT_THAT(list_xattrs(image, file),
              UnorderedElementsAre("user.one", "security.capability", "user.two"));
  EXPECT_EQ("first", get_xattr(image, file, "user.one"));
  EXPECT_EQ("second", get_xattr(image, file, "user.two"));
  EXPECT_EQ(std::string("\0\1", 2), get_xattr(image, file, "security.capability"));
  EXPECT_EQ(std::nullopt, get_xattr(image, file, "user.foreign"));
  EXPECT_EQ(std::nullopt, get_xattr(image, file, "trusted.two"));
}

TEST_F(AttributesTest, StreamsOverTheSizeOfAnXattrAreNotCut) {
  const Image& image = image_of([](Writer& writer) {
    put(writer, u"file", "x");
    writer.create_named_stream(u"file", u"fits", 65536);
    writer.create_named_stream(u"file", u"large", 65537);
  });
  const File file = file_at(image, u"file");
  EXPECT_EQ(std::string(65536, '\0'), get_xattr(image, file, "user.fits"));
  EXPECT_EQ(Errc::limit_exceeded, error_of([&] { get_xattr(image, file, "user.large"); }));
}

TEST_F(AttributesTest, WindowsMetadataIsReadUnderTheNamesOfNtfs3g) {
  Metadata metadata;
  metadata.attributes = attribute::hidden;
  metadata.creation_time = 1;
  metadata.last_write_time = 2;
  metadata.last_access_time = 3;
  metadata.change_time = 4;
  const Image& image = image_with(metadata);
  const File file = file_at(image, u"file");
  const auto little_endian = [](std::initializer_list<char> values, std::size_t size) {
    std::string text;
    for (const char value : values) text += value + std::string(size - 1, '\0');
    return text;
  };
  EXPECT_EQ(little_endian({2}, 4), get_xattr(image, file, "system.ntfs_attrib"));
  EXPECT_EQ(little_endian({1}, 8), get_xattr(image, file, "system.ntfs_crtime"));
  EXPECT_EQ(little_endian({1, 2, 3, 4}, 8), get_xattr(image, file, "system.ntfs_times"));
  EXPECT_EQ(std::nullopt, get_xattr(image, file, "system.ntfs_acl"));
  EXPECT_THAT(list_xattrs(image, file), IsEmpty());
}

}  // namespace
}  // namespace cim::posix
