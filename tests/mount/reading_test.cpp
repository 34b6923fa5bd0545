// What is seen on a mount.
#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <map>
#include <set>
#include <thread>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fixture.h"
#include "format/filetime.h"
#include "image/file_descriptor.h"
#include "image/odd_names.h"
#include "mount/mount.h"
#include "posix/linux_metadata.h"
#include "support/forged_executable.h"
#include "support/image_content.h"

namespace cim::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr mode_t file_mode = S_IFREG | 0644;
constexpr mode_t directory_mode = S_IFDIR | 0755;

class ReadingTest : public MountTest {};

FileDescriptor open_for_reading(const std::string& path) {
  FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_TRUE(fd) << path;
  return fd;
}

TEST_F(ReadingTest, FilesHaveTheirContentAndMetadata) {
  const std::string root = mount_of([](Writer& writer) {
    posix::LinuxMetadata source;
    source.status.st_mode = S_IFREG | S_ISVTX | 0745;
    source.status.st_uid = 1234;
    source.status.st_gid = 70000;
    source.status.st_mtim = {1700000000, 123456700};
    const posix::EncodedMetadata encoded(source);
    Metadata metadata = encoded.get();
    metadata.last_access_time = format::to_filetime({-5, 100});
    metadata.change_time = format::to_filetime({1600000000, 999999900});
    put(writer, u"file", "content", metadata);
  });
  const struct stat status = status_of(root + "file");
  EXPECT_EQ("content", read_file(root + "file"));
  EXPECT_EQ(S_IFREG | S_ISVTX | 0745, status.st_mode);
  EXPECT_EQ(1234, status.st_uid);
  EXPECT_EQ(70000, status.st_gid);
  EXPECT_EQ(7, status.st_size);
  EXPECT_EQ(1, status.st_blocks);
  EXPECT_EQ(1700000000, status.st_mtim.tv_sec);
  EXPECT_EQ(123456700, status.st_mtim.tv_nsec);
  EXPECT_EQ(-5, status.st_atim.tv_sec);
  EXPECT_EQ(100, status.st_atim.tv_nsec);
  EXPECT_EQ(1600000000, status.st_ctim.tv_sec);
  EXPECT_EQ(999999900, status.st_ctim.tv_nsec);
}

TEST_F(ReadingTest, MissingNamesDoNotExist) {
  const std::string root = mount_of([](Writer& writer) { put_linux(writer, u"file", file_mode); });
  for (int time = 0; time < 2; ++time) {  // the second answer comes from the kernel's cache
    EXPECT_EQ(-1, access((root + "other").c_str(), F_OK));
    EXPECT_EQ(ENOENT, errno);
  }
  EXPECT_EQ(-1, access((root + "file/below").c_str(), F_OK));
  EXPECT_EQ(ENOTDIR, errno);
}

TEST_F(ReadingTest, LargeDirectoriesAreListedCompletely) {
  constexpr int count = 20000;
  const std::string root = mount_of([](Writer& writer) {
    for (int i = 0; i < count; ++i) put(writer, linux_to_image_name(fmt::format("{:05}", i)), "x");
  });
  const std::vector<std::string> names = list_directory(root);
  ASSERT_EQ(count, names.size());
  for (int i = 0; i < count; ++i) ASSERT_EQ(fmt::format("{:05}", i), names[i]);
  EXPECT_EQ("x", read_file(root + "19999"));
}

TEST_F(ReadingTest, ListingsCanBeResumedAnywhere) {
  const std::string root = mount_of([](Writer& writer) {
    for (const char16_t* name : {u"a", u"b", u"c"}) put_linux(writer, name, file_mode);
  });
  DIR* const directory = opendir(root.c_str());
  ASSERT_NE(nullptr, directory);
  std::vector<long> positions;
  std::vector<std::string> names;
  for (long position = telldir(directory); const dirent* entry = ::readdir(directory);
       position = telldir(directory)) {
    positions.push_back(position);
    names.emplace_back(entry->d_name);
  }
  EXPECT_THAT(names, ElementsAre(".", "..", "a", "b", "c"));
  for (std::size_t i = names.size(); i-- > 0;) {
    seekdir(directory, positions[i]);
    const dirent* entry = ::readdir(directory);
    ASSERT_NE(nullptr, entry);
    EXPECT_EQ(names[i], entry->d_name);
  }
  closedir(directory);
}

TEST_F(ReadingTest, DotDotHasTheParentsInodeNumber) {
  const std::string root = mount_of([](Writer& writer) {
    put_linux(writer, u"outer", directory_mode);
    put_linux(writer, u"outer\\inner", directory_mode);
  });
  std::set<ino_t> listed;
  DIR* const directory = opendir((root + "outer/inner").c_str());
  ASSERT_NE(nullptr, directory);
  while (const dirent* entry = ::readdir(directory)) listed.insert(entry->d_ino);
  closedir(directory);
  EXPECT_THAT(listed, testing::UnorderedElementsAre(status_of(root + "outer").st_ino,
                                                    status_of(root + "outer/inner").st_ino));
}

TEST_F(ReadingTest, AnyLinuxNameComesBackTheSame) {
  const std::vector<std::string> names = {
      std::string(255, 'n'), "a\\b:c*?\"<>|", "\x01\x1f", "not \xff utf-8", "caf\xc3\xa9",
      "\xf0\x9f\x90\xa7",    "\xef\x80\xaa",  " ",        "trailing. "};
  const std::string root = mount_of([&](Writer& writer) {
    for (const std::string& name : names) put(writer, linux_to_image_name(name), name);
  });
  EXPECT_THAT(list_directory(root), testing::UnorderedElementsAreArray(names));
  for (const std::string& name : names) EXPECT_EQ(name, read_file(root + name));
}

TEST_F(ReadingTest, AnyImageNameIsListedAndFound) {
  forge_odd_names(fresh().directory);
  std::set<std::string> names;
  for (const std::u16string& name : odd_names()) names.insert(image_to_linux_name(name));
  ASSERT_EQ(odd_names().size(), names.size());

  // Looked up before they are listed: what the kernel has listed it need not look up.
  const std::string root = mount("forged.cim") + "/";
  for (const std::string& name : names) EXPECT_EQ(name, read_file(root + name));
  EXPECT_THAT(list_directory(root), testing::ElementsAreArray(names));
}

TEST_F(ReadingTest, NamesThatOnlyLinuxCouldNotHaveAreListedAndFound) {
  // 255 units of 3 bytes each in UTF-8, and names that also need an escape.
  const std::vector<std::string> names = {
      image_to_linux_name(std::u16string(max_name_units, u'\u20ac')),
      image_to_linux_name(std::u16string(max_name_units, u'\xD800'))};
  const std::string root = mount_of([&](Writer& writer) {
    for (const std::string& name : names) put(writer, linux_to_image_name(name), name);
  });
  for (const std::string& name : names) EXPECT_EQ(name, read_file(root + name));
  EXPECT_THAT(list_directory(root), testing::UnorderedElementsAreArray(names));
}

TEST_F(ReadingTest, NamesOverTheLimitAreRefused) {
  const std::string root = mount_of([](Writer&) {});
  EXPECT_EQ(-1, access((root + std::string(256, 'n')).c_str(), F_OK));
  EXPECT_EQ(ENAMETOOLONG, errno);
}

TEST_F(ReadingTest, CaseMattersUnlessTheImageSaysOtherwise) {
  const std::string root = mount_of([](Writer& writer) { put(writer, u"Name", "x"); });
  EXPECT_EQ(-1, access((root + "nAME").c_str(), F_OK));

  Writer::Options options = fresh("windows.cim");
  options.case_insensitive = true;
  Writer writer(options);
  put(writer, u"Name", "x");
  writer.commit();
  EXPECT_EQ("x", read_file(mount("windows.cim") + "/nAME"));
}

TEST_F(ReadingTest, HardLinksShareTheirInodeAndAreCounted) {
  const std::string root = mount_of([](Writer& writer) {
    put_linux(writer, u"directory", directory_mode);
    put_linux(writer, u"one", file_mode, "shared");
    writer.create_hard_link(u"two", u"one");
    writer.create_hard_link(u"directory\\three", u"one");
    put_linux(writer, u"other", file_mode, "shared");
  });
  const struct stat one = status_of(root + "one");
  EXPECT_EQ(3, one.st_nlink);
  EXPECT_EQ(one.st_ino, status_of(root + "two").st_ino);
  EXPECT_EQ(one.st_ino, status_of(root + "directory/three").st_ino);
  EXPECT_EQ("shared", read_file(root + "directory/three"));
  EXPECT_EQ(1, status_of(root + "other").st_nlink);
  EXPECT_NE(one.st_ino, status_of(root + "other").st_ino);
}

TEST_F(ReadingTest, DirectoriesCountTheirSubdirectories) {
  const std::string root = mount_of([](Writer& writer) {
    put_linux(writer, u"a", directory_mode);
    put_linux(writer, u"a\\b", directory_mode);
    put_linux(writer, u"a\\c", directory_mode);
    put_linux(writer, u"a\\file", file_mode);
  });
  EXPECT_EQ(3, status_of(root).st_nlink);
  EXPECT_EQ(4, status_of(root + "a").st_nlink);
  EXPECT_EQ(2, status_of(root + "a/b").st_nlink);
}

TEST_F(ReadingTest, SymbolicLinksHaveTheirTarget) {
  const std::string long_target(4000, 't');
  const std::string root = mount_of([&](Writer& writer) {
    put_linux(writer, u"file", file_mode, "content");
    put_linux(writer, u"link", S_IFLNK | 0777, "file");
    put_linux(writer, u"long", S_IFLNK | 0777, long_target);
  });
  EXPECT_EQ("content", read_file(root + "link"));
  EXPECT_TRUE(S_ISLNK(status_of(root + "link").st_mode));
  EXPECT_EQ(4, status_of(root + "link").st_size);
  EXPECT_EQ(long_target, boost::filesystem::read_symlink(root + "long").string());
}

TEST_F(ReadingTest, WhatIsNotWrittenReadsAsZerosAndTakesNoSpace) {
  constexpr std::size_t size = 1 << 20;
  const std::string root = mount_of([](Writer& writer) {
    writer.create_file(u"partly", {}, size).write(bytes("ten bytes!"));
    writer.create_file(u"never", {}, size);
  });
  EXPECT_EQ("ten bytes!" + std::string(size - 10, '\0'), read_file(root + "partly"));
  EXPECT_EQ(std::string(size, '\0'), read_file(root + "never"));
  EXPECT_EQ(size, status_of(root + "never").st_size);
  EXPECT_EQ(0, status_of(root + "never").st_blocks);
  // Tools look for holes in files that take less space than their size.
  EXPECT_EQ(4096 / 512, status_of(root + "partly").st_blocks);
}

TEST_F(ReadingTest, HolesAreFoundBySeeking) {
  constexpr off_t size = 1 << 20;
  const std::string root = mount_of([](Writer& writer) {
    writer.create_file(u"never", {}, size);
    put(writer, u"full", "content");
    writer.create_file(u"middle", {}, size).write_at(size / 2, bytes("data"));
  });
  const FileDescriptor never = open_for_reading(root + "never");
  EXPECT_EQ(0, lseek(never.get(), 0, SEEK_HOLE));
  EXPECT_EQ(-1, lseek(never.get(), 0, SEEK_DATA));
  EXPECT_EQ(ENXIO, errno);
  const FileDescriptor full = open_for_reading(root + "full");
  EXPECT_EQ(0, lseek(full.get(), 0, SEEK_DATA));
  EXPECT_EQ(7, lseek(full.get(), 0, SEEK_HOLE));
  const FileDescriptor middle = open_for_reading(root + "middle");
  EXPECT_EQ(0, lseek(middle.get(), 0, SEEK_HOLE));
  EXPECT_EQ(size / 2, lseek(middle.get(), 0, SEEK_DATA));
  EXPECT_EQ(size / 2 + 4096, lseek(middle.get(), size / 2, SEEK_HOLE));
}

TEST_F(ReadingTest, LargeFilesReadExactlyAtAnyPosition) {
  const std::string content = random_content((5 << 20) + 12345);
  const std::string root = mount_of([&](Writer& writer) { put(writer, u"large", content); });
  const FileDescriptor file = open_for_reading(root + "large");
  std::string part(300000, '\0');
  for (const std::size_t offset : {std::size_t{4097}, std::size_t{0}, content.size() - 1000}) {
    const ssize_t size = pread(file.get(), part.data(), part.size(), static_cast<off_t>(offset));
    ASSERT_EQ(std::min(part.size(), content.size() - offset), size);
    EXPECT_TRUE(content.compare(offset, static_cast<std::size_t>(size), part, 0,
                                static_cast<std::size_t>(size)) == 0)
        << "at " << offset;
  }
  EXPECT_EQ(0, pread(file.get(), part.data(), part.size(), static_cast<off_t>(content.size())));
  EXPECT_TRUE(read_file(root + "large") == content);
}

TEST_F(ReadingTest, ExecutablesReadExactlyAtAnyPosition) {
  ForgedExecutable large;
  large.sections = {{0x1000, 0x2345, 0x400, 0x2400},
                    {0x4000, 0x1FFE00, 0x2800, 0x1FFE00},
                    {0x204000, 0x200, 0x202600, 0x200},
                    {0x205000, 0x123400, 0x202800, 0x123400}};
  large.image_size = 0x329000;
  large.length = 0x202800 + 0x123400 + 1234;
  const std::string small = ForgedExecutable(100).bytes();
  const std::string content = large.bytes();
  Writer::Options options = fresh();
  options.expand_executables = true;
  Writer writer(options);
  put(writer, u"small", small);
  put(writer, u"large", content);
  writer.commit();
  const std::string root = mount("a.cim") + "/";
  const FileDescriptor file = open_for_reading(root + "large");
  std::string part(700000, '\0');
  for (const std::size_t offset : {std::size_t{0x202801}, std::size_t{4096}, std::size_t{0x1F0000},
                                   std::size_t{0}, content.size() - 1000}) {
    const ssize_t size = pread(file.get(), part.data(), part.size(), static_cast<off_t>(offset));
    ASSERT_EQ(std::min(part.size(), content.size() - offset), size);
    EXPECT_TRUE(content.compare(offset, static_cast<std::size_t>(size), part, 0,
                                static_cast<std::size_t>(size)) == 0)
        << "at " << offset;
  }
  EXPECT_TRUE(read_file(root + "large") == content);
  EXPECT_EQ(small, read_file(root + "small"));
  EXPECT_EQ(static_cast<off_t>(content.size()), lseek(file.get(), 0, SEEK_HOLE));
  EXPECT_EQ((content.size() + 511) / 512, status_of(root + "large").st_blocks);
}

TEST_F(ReadingTest, ManyThreadsReadAtOnce) {
  constexpr int threads = 8;
  constexpr int files = 200;
  const auto name = [](int i) { return fmt::format("file{}", i); };
  const auto content = [](int i) { return random_content(1000 * static_cast<std::size_t>(i) + 1); };
  const std::string root = mount_of([&](Writer& writer) {
    for (int i = 0; i < files; ++i) put(writer, linux_to_image_name(name(i)), content(i));
  });
  std::atomic<int> equal = 0;
  std::vector<std::thread> readers;
  for (int t = 0; t < threads; ++t) {
    readers.emplace_back([&, t] {
      for (int i = 0; i < files; ++i) {
        const int file = (i * 7 + t * 31) % files;
        if (read_file(root + name(file)) == content(file)) ++equal;
      }
    });
  }
  for (std::thread& reader : readers) reader.join();
  EXPECT_EQ(threads * files, equal);
}

TEST_F(ReadingTest, NothingCanBeChanged) {
  const std::string root =
      mount_of([](Writer& writer) { put_linux(writer, u"f", file_mode, "x"); });
  EXPECT_EQ(-1, open((root + "f").c_str(), O_WRONLY | O_CLOEXEC));
  EXPECT_EQ(EROFS, errno);
  EXPECT_EQ(-1, mkdir((root + "d").c_str(), 0755));
  EXPECT_EQ(EROFS, errno);
}

TEST_F(ReadingTest, NamedStreamsAndLinuxXattrsAreXattrs) {
  const std::string root = mount_of([](Writer& writer) {
    posix::LinuxMetadata source;
    source.status.st_mode = file_mode;
    source.xattrs = {{"user.stored", "a value"}};
    put(writer, u"file", "x", posix::EncodedMetadata(source).get());
    writer.create_named_stream(u"file", u"stream", 6).write(bytes("stream"));
  });
  const std::string file = root + "file";
  EXPECT_THAT(xattr_names(file), ElementsAre("user.stored", "user.stream"));
  EXPECT_EQ("a value", xattr(file, "user.stored"));
  EXPECT_EQ("stream", xattr(file, "user.stream"));
  EXPECT_EQ(-1, lgetxattr(file.c_str(), "user.none", nullptr, 0));
  EXPECT_EQ(ENODATA, errno);
  char small[3];
  EXPECT_EQ(-1, lgetxattr(file.c_str(), "user.stored", small, sizeof(small)));
  EXPECT_EQ(ERANGE, errno);
  EXPECT_THAT(xattr_names(root), IsEmpty());
}

TEST_F(ReadingTest, SpecialFilesAreWhatTheyWere) {
  const std::string root = mount_of([](Writer& writer) {
    posix::LinuxMetadata device;
    device.status.st_mode = S_IFCHR | 0600;
    device.status.st_rdev = makedev(12, 345);
    put(writer, u"device", "", posix::EncodedMetadata(device).get());
    put_linux(writer, u"fifo", S_IFIFO | 0644);
    put_linux(writer, u"socket", S_IFSOCK | 0644);
  });
  EXPECT_EQ(S_IFCHR | 0600, status_of(root + "device").st_mode);
  EXPECT_EQ(makedev(12, 345), status_of(root + "device").st_rdev);
  EXPECT_EQ(S_IFIFO | 0644, status_of(root + "fifo").st_mode);
  EXPECT_EQ(S_IFSOCK | 0644, status_of(root + "socket").st_mode);
}

TEST_F(ReadingTest, OnlyTheLastVersionOfAPathIsSeen) {
  const std::string root = mount_of([](Writer& writer) {
    put_linux(writer, u"file", file_mode, "a longer first version");
    put_linux(writer, u"file", S_IFREG | 0600, "second");
    put_linux(writer, u"kept", directory_mode);
    put_linux(writer, u"kept\\inside", file_mode, "x");
    put_linux(writer, u"kept", S_IFDIR | 0700);
    put_linux(writer, u"gone", directory_mode);
    put_linux(writer, u"gone\\inside", file_mode, "x");
    put_linux(writer, u"gone", file_mode, "now a file");
  });
  EXPECT_EQ("second", read_file(root + "file"));
  EXPECT_EQ(S_IFREG | 0600, status_of(root + "file").st_mode);
  EXPECT_EQ(S_IFDIR | 0700, status_of(root + "kept").st_mode);
  EXPECT_THAT(list_directory(root + "kept"), ElementsAre("inside"));
  EXPECT_EQ("now a file", read_file(root + "gone"));
}

TEST_F(ReadingTest, StatfsTellsTheImagesSize) {
  const std::string root =
      mount_of([](Writer& writer) { put(writer, u"f", random_content(1 << 20)); });
  struct statvfs statistics;
  ASSERT_EQ(0, statvfs(root.c_str(), &statistics));
  EXPECT_GE(statistics.f_blocks * statistics.f_frsize, 1U << 20);
  EXPECT_LT(statistics.f_blocks * statistics.f_frsize, 2U << 20);
  EXPECT_EQ(0, statistics.f_bavail);
  EXPECT_EQ(2, statistics.f_files);
  EXPECT_EQ(255, statistics.f_namemax);
}

// A handle outlives the kernel's memory of the file: NFS clients keep it over a server restart.
TEST_F(ReadingTest, HandlesStayGoodOnAnotherMount) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can open by handle";
  const std::string root = mount_of([](Writer& writer) {
    writer.create_directory(u"d", {});
    writer.create_directory(u"d\\e", {});
    put(writer, u"d\\e\\file", "content");
  });
  struct Handle {
    alignas(file_handle) char bytes[sizeof(file_handle) + MAX_HANDLE_SZ];
    file_handle* get() { return reinterpret_cast<file_handle*>(bytes); }
  };
  std::map<std::string, Handle> handles;
  for (const std::string path : {"d/e/file", "d/e", "d"}) {
    file_handle* const handle = handles[path].get();
    handle->handle_bytes = MAX_HANDLE_SZ;
    int mount_id = 0;
    ASSERT_EQ(0, name_to_handle_at(AT_FDCWD, (root + path).c_str(), handle, &mount_id, 0));
  }
  unmount_image(root);
  mount("a.cim");
  const FileDescriptor mounted = open_for_reading(root);
  for (auto& [path, handle] : handles) {
    const FileDescriptor file(open_by_handle_at(mounted.get(), handle.get(), O_RDONLY | O_CLOEXEC));
    ASSERT_TRUE(file) << path << ": " << strerror(errno);
    struct stat opened;
    ASSERT_EQ(0, fstat(file.get(), &opened));
    EXPECT_EQ(status_of(root + path).st_ino, opened.st_ino) << path;
    if (!S_ISDIR(opened.st_mode)) continue;
    struct stat parent;
    ASSERT_EQ(0, fstatat(file.get(), "..", &parent, 0)) << path << ": " << strerror(errno);
    EXPECT_EQ(status_of(root + path + "/..").st_ino, parent.st_ino) << path;
  }
}

}  // namespace
}  // namespace cim::test
