// What a mount of an image made on Windows looks like.
#include <cerrno>
#include <map>
#include <memory>
#include <set>

#include <dirent.h>
#include <gmock/gmock.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <pwd.h>
#include <unistd.h>

#include "fixture.h"
#include "format/reparse.h"
#include "support/image_content.h"
#include "support/windows_links.h"

namespace cim::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class WindowsImageTest : public MountTest {};

TEST_F(WindowsImageTest, WindowsMetadataIsReadByName) {
  const std::string root = mount_of([](Writer& writer) {
    Metadata metadata;
    metadata.attributes = attribute::hidden | attribute::system;
    put(writer, u"file", "x", metadata);
  });
  EXPECT_EQ(std::string("\x06\0\0\0", 4), xattr(root + "file", "system.ntfs_attrib"));
}

TEST_F(WindowsImageTest, TheOwnerMayBeGivenByName) {
  const std::string root =
      mount_of([](Writer& writer) { put(writer, u"file", "x"); }, {"uid=daemon", "gid=daemon"});
  EXPECT_EQ(getpwnam("daemon")->pw_uid, status_of(root + "file").st_uid);
  EXPECT_EQ(getgrnam("daemon")->gr_gid, status_of(root + "file").st_gid);
}

TEST_F(WindowsImageTest, ADirectoryOfTheImageIsTheRoot) {
  const std::string root = mount_of(
      [](Writer& writer) {
        writer.create_directory(u"Files", {});
        writer.create_directory(u"Files\\directory", {});
        put(writer, u"Files\\file", "x");
        put(writer, u"Hives", "outside");
        writer.create_hard_link(u"outside", u"Files\\file");
      },
      {"subdir=/Files/"});
  EXPECT_THAT(list_directory(root), ElementsAre("directory", "file"));
  EXPECT_EQ("x", read_file(root + "file"));
  EXPECT_EQ(2, status_of(root + "file").st_nlink);
  EXPECT_EQ(1, status_of(root).st_ino);
  EXPECT_EQ(1, status_of(root + "directory/..").st_ino);
  std::set<ino_t> numbers;
  for (const char* name : {"", "directory", "file"}) numbers.insert(status_of(root + name).st_ino);
  EXPECT_EQ(3, numbers.size());
}

TEST_F(WindowsImageTest, TheRootIsFoundAsTheImageComparesNames) {
  Writer::Options options = fresh();
  options.case_insensitive = true;
  Writer writer(options);
  writer.create_directory(u"Files", {});
  writer.create_directory(u"Files\\\u00c4rger", {});
  put(writer, u"Files\\\u00c4rger\\file", "x");
  writer.commit();
  EXPECT_THAT(list_directory(mount("a.cim", {"subdir=/FILES//./\u00e4RGER/"})),
              ElementsAre("file"));
}

// As the kernel shows them: the entry `..` of the root and of a directory below it.
TEST_F(WindowsImageTest, DotDotLeadsToTheRootOfTheMountAndNotFurther) {
  const std::string root = mount_of(
      [](Writer& writer) {
        writer.create_directory(u"a", {});
        writer.create_directory(u"a\\b", {});
        writer.create_directory(u"a\\b\\c", {});
      },
      {"subdir=a/b"});
  for (const char* name : {"", "c"}) {
    const std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir((root + name).c_str()), closedir);
    ASSERT_TRUE(directory);
    std::map<std::string, ino_t> entries;
    while (const dirent* entry = readdir(directory.get())) entries[entry->d_name] = entry->d_ino;
    EXPECT_EQ(1, entries[".."]) << name;
  }
}

TEST_F(WindowsImageTest, TheRootMustBeADirectoryOfTheImage) {
  Writer writer(fresh());
  put(writer, u"file", "x");
  writer.commit();
  const std::string mount_point = make_directory();
  const auto message_for = [&](const std::string& option) {
    return run_daemon({"-o", option, image_path(), mount_point}).message;
  };
  EXPECT_THAT(message_for("subdir=missing"), HasSubstr("missing: there is no such directory"));
  EXPECT_THAT(message_for("subdir=file"), HasSubstr("file: is not a directory"));
  EXPECT_THAT(message_for("subdir=a/../file"), HasSubstr("a/../file"));
  EXPECT_FALSE(is_mounted(mount_point));
}

TEST_F(WindowsImageTest, OptionsGiveAnOwnerAndPermissionsToFilesWithout) {
  const std::string root = mount_of(
      [](Writer& writer) {
        put(writer, u"file", "x");
        put_linux(writer, u"linux", S_IFREG | 0640);
        writer.create_directory(u"directory", {});
      },
      {"uid=77", "gid=78", "fmask=113", "dmask=22"});
  EXPECT_EQ(77, status_of(root + "file").st_uid);
  EXPECT_EQ(78, status_of(root + "file").st_gid);
  EXPECT_EQ(S_IFREG | 0664, status_of(root + "file").st_mode);
  EXPECT_EQ(S_IFDIR | 0755, status_of(root + "directory").st_mode);
  EXPECT_EQ(S_IFREG | 0640, status_of(root + "linux").st_mode);
  EXPECT_EQ(getuid(), status_of(root + "linux").st_uid);
}

void put_link(Writer& writer, std::u16string_view path, std::uint32_t tag,
              std::u16string_view target) {
  const std::vector<std::byte> reparse_data = windows_link(tag, target);
  Metadata metadata;
  metadata.reparse_data = reparse_data;
  put(writer, path, "", metadata);
}

TEST_F(WindowsImageTest, LinksLeadToFilesOfTheImage) {
  const std::string root = mount_of([](Writer& writer) {
    writer.create_directory(u"directory", {});
    writer.create_directory(u"directory\\below", {});
    put(writer, u"directory\\file", "content");
    put_link(writer, u"directory\\below\\relative", format::tag_symlink, u"..\\file");
    put_link(writer, u"directory\\below\\absolute", format::tag_symlink,
             u"\\??\\C:\\directory\\file");
    put_link(writer, u"junction", format::tag_mount_point, u"\\??\\C:\\directory\\");
  });
  EXPECT_EQ("content", read_file(root + "directory/below/relative"));
  EXPECT_EQ("content", read_file(root + "directory/below/absolute"));
  EXPECT_EQ("content", read_file(root + "junction/file"));
}

TEST_F(WindowsImageTest, AbsoluteLinksLeadToFilesOfTheImageInEachVersion) {
  for (const std::uint32_t version : {1U, 2U, 3U}) {
    const std::string image = make_directory("images" + std::to_string(version));
    const std::string root = make_directory("version" + std::to_string(version));
    const ForegroundDaemon daemon(forge_absolute_links(image, version), root);
    // The link is read first, when nothing else is known yet.
    char target[64] = "";
    EXPECT_EQ(12, readlink((root + "/d/e/link").c_str(), target, sizeof(target))) << version;
    EXPECT_STREQ("../../d/file", target);
    EXPECT_EQ(12, status_of(root + "/d/e/link").st_size);
    EXPECT_EQ(6, status_of(root + "/top").st_size);
    EXPECT_EQ("content", read_file(root + "/d/e/link"));
    EXPECT_EQ("content", read_file(root + "/top"));
    const ProgramResult listing = run_program({"ls", "-lR", root + "/d/e"}).value();
    EXPECT_EQ(0, listing.exit_status) << listing.message;
  }
}

TEST_F(WindowsImageTest, StreamsHavePathsIfAskedFor) {
  const auto build = [](Writer& writer) {
    put_linux(writer, u"file", S_IFREG | 0640, "main");
    writer.create_named_stream(u"file", u"first", 5).write(bytes("first"));
    writer.create_named_stream(u"file", u"second", 1 << 20).write_at(1000, bytes("second"));
    writer.create_directory(u"directory", {});
    writer.create_named_stream(u"directory", u"Zone", 4).write(bytes("zone"));
    put(writer, linux_to_image_name("plain:name"), "in Linux' own words");
  };
  const std::string root = mount_of(build, {"streams_interface=windows"});
  EXPECT_EQ("first", read_file(root + "file:first"));
  EXPECT_EQ(std::string(1000, '\0') + "second", read_file(root + "file:second").substr(0, 1006));
  EXPECT_EQ("zone", read_file(root + "directory:Zone"));
  EXPECT_EQ("in Linux' own words", read_file(root + "plain:name"));

  const struct stat file = status_of(root + "file");
  const struct stat stream = status_of(root + "file:second");
  EXPECT_EQ(S_IFREG | 0640, stream.st_mode);
  EXPECT_EQ(1 << 20, stream.st_size);
  EXPECT_EQ(file.st_uid, stream.st_uid);
  EXPECT_NE(file.st_ino, stream.st_ino);
  EXPECT_TRUE(S_ISREG(status_of(root + "directory:Zone").st_mode));
  EXPECT_THAT(xattr_names(root + "file:second"), IsEmpty());
  EXPECT_EQ("first", xattr(root + "file", "user.first"));

  EXPECT_THAT(list_directory(root), ElementsAre("directory", "file", "plain:name"));
  for (const char* name : {"file:", "file:none", ":first", "none:first", "file:first:$DATA"}) {
    EXPECT_EQ(-1, access((root + name).c_str(), F_OK)) << name;
    EXPECT_EQ(ENOENT, errno) << name;
  }
}

TEST_F(WindowsImageTest, FilesWithAColonInTheirNameHaveStreamPathsToo) {
  const std::vector<std::u16string> names = {linux_to_image_name("a:b"), u"a:b", u"a"};
  const auto build = [&](Writer& writer) {
    for (const std::u16string& name : names) {
      put(writer, name, "main");
      writer.create_named_stream(name, u"stream", 6).write(bytes("stream"));
    }
  };
  const std::string root = mount_of(build, {"streams_interface=windows"});
  for (const std::u16string& name : names) {
    EXPECT_EQ("stream", read_file(root + image_to_linux_name(name) + ":stream"));
  }
}

TEST_F(WindowsImageTest, StreamsHaveNoPathsUnlessAskedFor) {
  const std::string root = mount_of([](Writer& writer) {
    put(writer, u"file", "main");
    writer.create_named_stream(u"file", u"stream", 6).write(bytes("stream"));
  });
  EXPECT_EQ(-1, access((root + "file:stream").c_str(), F_OK));
  EXPECT_EQ(ENOENT, errno);
}

}  // namespace
}  // namespace cim::test
