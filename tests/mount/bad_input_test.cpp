// What the daemon says about what it cannot mount, and how a mount treats what is broken.
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <set>

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <sysexits.h>
#include <unistd.h>

#include "fixture.h"
#include "format/layout.h"
#include "image/file_descriptor.h"
#include "image/forged_image.h"
#include "support/image_content.h"
#include "support/preload.h"

namespace cim::test {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

namespace fs = boost::filesystem;

class BadInputTest : public MountTest {
 protected:
  void SetUp() override {
    MountTest::SetUp();
    if (IsSkipped()) return;
    Writer writer(fresh());
    put(writer, u"broken", "content");
    put(writer, u"sound", random_content(100000));
    writer.commit();
  }

  // The region file that holds the image's metadata.
  std::string metadata_path() const {
    const RegionSetInfo own_set = Image(image_path()).region_sets().back();
    for (const RegionInfo& region : own_set.regions) {
      if (region.type == RegionType::metadata) return region.path;
    }
    ADD_FAILURE() << "no metadata region";
    return "";
  }

  void expect_failure(const std::vector<std::string>& arguments, const std::string& subject,
                      const std::string& reason, int status = 1) const {
    const ProgramResult result = run_daemon(arguments);
    EXPECT_EQ(status, result.exit_status) << result.message;
    EXPECT_THAT(result.message,
                AllOf(HasSubstr(subject), HasSubstr(reason), Not(HasSubstr("cimfs:"))));
  }

  void expect_unmountable(const std::string& subject, const std::string& reason,
                          int status = EX_DATAERR) const {
    const std::string mount_point = make_directory();
    expect_failure({image_path(), mount_point}, subject, reason, status);
    EXPECT_FALSE(is_mounted(mount_point));
  }
};

// Overwrites the file at `path` from `offset`.
template <typename T>
void overwrite(const std::string& path, std::uint64_t offset, const T& value) {
  const FileDescriptor fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_EQ(sizeof(value), pwrite(fd.get(), &value, sizeof(value), static_cast<off_t>(offset)));
}

template <typename T>
T read_value(const std::string& path, std::uint64_t offset) {
  T value = {};
  const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(sizeof(value), pread(fd.get(), &value, sizeof(value), static_cast<off_t>(offset)));
  return value;
}

TEST_F(BadInputTest, MissingImage) {
  expect_failure({image_path("b.cim"), make_directory()}, "b.cim", "No such file", EX_NOINPUT);
}

TEST_F(BadInputTest, DirectoryAsImage) {
  expect_failure({make_directory("d"), make_directory()}, "/d", "directory");
}

TEST_F(BadInputTest, ForeignFile) {
  std::ofstream(image_path()) << std::string(1000, 'x');
  expect_unmountable("a.cim", "");
}

TEST_F(BadInputTest, EmptyFile) {
  fs::resize_file(image_path(), 0);
  expect_unmountable("a.cim", "");
}

TEST_F(BadInputTest, FifoAsImage) {
  ASSERT_EQ(0, mkfifo(image_path("fifo").c_str(), 0600));
  expect_failure({image_path("fifo"), make_directory()}, "fifo", "", EX_DATAERR);
}

TEST_F(BadInputTest, VersionOfTheFuture) {
  overwrite(image_path(), offsetof(format::CommonHeader, version_major), std::uint32_t{4});
  expect_unmountable("a.cim", "version", EX_UNAVAILABLE);
}

TEST_F(BadInputTest, MissingRegionFile) {
  const std::string path = metadata_path();
  fs::remove(path);
  expect_unmountable(fs::path(path).filename().string(), "No such file", EX_NOINPUT);
}

TEST_F(BadInputTest, TruncatedMetadata) {
  const std::string path = metadata_path();
  fs::resize_file(path, fs::file_size(path) / 2);
  expect_unmountable("a.cim", "");
}

TEST_F(BadInputTest, RootThatIsNoDirectory) {
  const auto header = read_value<format::FilesystemHeader>(image_path(), 0);
  const std::uint64_t root =
      format::byte_offset(header.filesystem) + offsetof(format::Filesystem, root_directory);
  const FileId file = Image(image_path()).resolve(u"broken").value();
  overwrite(metadata_path(), root, file);
  expect_unmountable("a.cim", "root");
}

TEST_F(BadInputTest, MissingMountPoint) {
  expect_failure({image_path(), "/no/such/directory"}, "/no/such/directory", "No such file",
                 EX_NOINPUT);
}

TEST_F(BadInputTest, FileAsMountPoint) {
  expect_failure({image_path(), image_path()}, "a.cim", "Not a directory");
}

TEST_F(BadInputTest, MountPointThatIsNotEmpty) {
  const std::string mount_point = make_directory();
  std::ofstream(mount_point + "/something");
  expect_failure({image_path(), mount_point}, mount_point, "not empty");
  EXPECT_EQ(0, run_daemon({"-o", "nonempty", image_path(), mount_point}).exit_status);
  EXPECT_TRUE(is_mounted(mount_point));
}

TEST_F(BadInputTest, SecondMountOnTheSameMountPoint) {
  const std::string mount_point = mount();
  expect_failure({image_path(), mount_point}, mount_point,
                 image_path() + " is mounted here already");
}

TEST_F(BadInputTest, SecondMountOfAnEmptyImage) {
  Writer(fresh("empty.cim")).commit();
  const std::string mount_point = mount("empty.cim");
  expect_failure({image_path("empty.cim"), mount_point}, mount_point, "is mounted here already");
}

TEST_F(BadInputTest, NamesTheImageAsItsUserDoes) {
  std::ofstream(image_path("foreign.cim")) << std::string(1000, 'x');
  fs::create_symlink("foreign.cim", image_path("link.cim"));
  const std::string mount_point = make_directory();
  for (const char* name : {"foreign.cim", "link.cim"}) {
    const ProgramResult result = run_daemon({image_path(name), mount_point});
    EXPECT_THAT(result.message, StartsWith(image_path(name) + ": is not "));
  }
}

struct Usage {
  const char* name;
  std::vector<std::string> arguments;
  const char* complaint;
};

class UsageTest : public BadInputTest, public testing::WithParamInterface<Usage> {};

TEST_P(UsageTest, IsRefused) {
  const ProgramResult result = run_daemon(GetParam().arguments);
  EXPECT_EQ(2, result.exit_status);
  EXPECT_THAT(result.message, HasSubstr(GetParam().complaint));
  EXPECT_EQ(1, run_daemon(GetParam().arguments, "mount.cimfs").exit_status);
}

INSTANTIATE_TEST_SUITE_P(
    , UsageTest,
    testing::Values(
        Usage{"NoArguments", {}, "IMAGE is missing; see "},
        Usage{"NoMountPoint", {"a.cim"}, "MOUNTPOINT is missing; see "},
        Usage{"TooManyArguments", {"a.cim", "b", "c"}, "'c' is one argument too many"},
        Usage{"UnknownOption", {"-x", "a.cim", "b"}, "'-x' is no option; see "},
        Usage{"UnknownLetterAfterALongOption", {"a.cim", "b", "-nx"}, "is no option; see "},
        Usage{"MistypedOption",
              {"--versoin", "a.cim", "b"},
              "'--versoin' is no option; did you mean '--version'?"},
        Usage{"OptionWithSurplusValue", {"--help=x"}, "'--help' takes no value"},
        Usage{"UnknownMountOption",
              {"-o", "ro,bogus", "a.cim", "b"},
              "'bogus' is no mount option; see "},
        Usage{"MistypedMountOption",
              {"-o", "prefecth=1", "a.cim", "b"},
              "'prefecth' is no mount option; did you mean 'prefetch'?"},
        Usage{"OptionWithoutArgument", {"a.cim", "b", "-o"}, "OPTS is missing after '-o'"},
        Usage{"UnknownOwner",
              {"-o", "uid=no-such-user", "a.cim", "b"},
              "uid=no-such-user: there is no such user"},
        Usage{"UnknownGroup",
              {"-o", "gid=no-such-group", "a.cim", "b"},
              "gid=no-such-group: there is no such group"},
        Usage{"OwnerThatIsPartlyANumber", {"-o", "uid=1x", "a.cim", "b"}, "uid=1x"},
        Usage{"EmptyOwner", {"-o", "uid=", "a.cim", "b"}, "uid="},
        Usage{"Writable", {"-w", "a.cim", "b"}, "always mounted read-only"},
        Usage{"InvalidOwner", {"-o", "gid=4294967295", "a.cim", "b"}, "gid="},
        Usage{"EmptyTimeout", {"-o", "timeout=", "a.cim", "b"}, "timeout="},
        Usage{"TimeoutThatIsPartlyANumber", {"-o", "timeout=1m", "a.cim", "b"}, "timeout=1m"},
        Usage{"MaskThatIsNotOctal", {"-o", "umask=8", "a.cim", "b"}, "umask=8"},
        Usage{"MaskTooLarge", {"-o", "fmask=1000", "a.cim", "b"}, "fmask=1000"}),
    [](const auto& test) { return test.param.name; });

// The offset of the record of the file `id` in the metadata region of a small image.
std::uint64_t record_offset(const std::string& image, const std::string& metadata, FileId id) {
  const auto header = read_value<format::FilesystemHeader>(image, 0);
  const auto filesystem =
      read_value<format::Filesystem>(metadata, format::byte_offset(header.filesystem));
  const auto table = read_value<format::FileTableDirectoryEntry>(
      metadata, format::byte_offset(filesystem.file_table_directory));
  return format::byte_offset(table.table) + (id - 1) * std::uint64_t{table.entry_size};
}

// Makes the extended attributes of the file `broken` point to nothing.
void break_file(const std::string& image, const std::string& metadata) {
  const FileId id = Image(image).resolve(u"broken").value();
  const std::uint64_t record = record_offset(image, metadata, id);
  overwrite(metadata, record + offsetof(format::File, extended_attributes_length),
            std::uint16_t{100});
  overwrite(metadata, record + offsetof(format::File, extended_attributes),
            format::max_byte_offset);
}

TEST_F(BadInputTest, ABrokenFileFailsAloneAndTheDirectoryIsStillListed) {
  break_file(image_path(), metadata_path());
  const std::string mount_point = mount();
  EXPECT_THAT(list_directory(mount_point), testing::ElementsAre("broken", "sound"));
  EXPECT_EQ(-1, access((mount_point + "/broken").c_str(), F_OK));
  EXPECT_EQ(EIO, errno);
  EXPECT_TRUE(read_file(mount_point + "/sound") == random_content(100000));
}

// Daemons in which an allocation fails.
class MemoryTest : public BadInputTest {
 protected:
  void SetUp() override {
    if (!CIMFS_SANDBOX) GTEST_SKIP() << "a sanitizer has its own operator new";
    BadInputTest::SetUp();
    if (IsSkipped()) return;
    break_file(image_path(), metadata_path());
    mount_point_ = make_directory();
    setenv("FAILING_ALLOCATIONS", counter().c_str(), 1);
  }

  // Calls `test` again and again, with another failing allocation each time, until none fails.
  template <typename Test>
  void with_each_allocation_failing(Test&& test) {
    long number = 0;
    long left = 0;
    while (left <= 0 && !HasFailure()) {
      SCOPED_TRACE(++number);
      test(number);
      left = read_value<long>(counter(), 0);
    }
    EXPECT_GT(number, 10);
  }

  // Starts a daemon whose allocations are counted.
  std::unique_ptr<ForegroundDaemon> start() const {
    const test::Preload preload(std::getenv("FAILING_ALLOCATIONS_MODULE"));
    auto daemon = std::make_unique<ForegroundDaemon>(image_path(), mount_point_,
                                                     std::vector<std::string>{}, true);
    // The threads that answer, the one that minds them, the prefetcher, and the main thread.
    constexpr std::size_t threads = 11;
    const std::string tasks = "/proc/" + std::to_string(daemon->pid()) + "/task";
    EXPECT_TRUE(
        wait_until([&] { return daemon->has_ended() || list_directory(tasks).size() == threads; }));
    return daemon;
  }

  // Makes the `number`th allocation from now on fail; 0: none.
  void starve(long number) const {
    std::ofstream(counter(), std::ios::binary)
        .write(reinterpret_cast<const char*>(&number), sizeof(number));
  }

  // Every errno that using the mount can give.
  std::set<int> errors() const {
    std::set<int> errors;
    const auto note = [&](long result) { errors.insert(result < 0 ? errno : 0); };
    std::vector<char> buffer(100000);
    note(access((mount_point_ + "/broken").c_str(), F_OK));
    const FileDescriptor root(open(mount_point_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    note(root.get());
    if (root) note(syscall(SYS_getdents64, root.get(), buffer.data(), buffer.size()));
    const FileDescriptor file(open((mount_point_ + "/sound").c_str(), O_RDONLY | O_CLOEXEC));
    note(file.get());
    if (!file) return errors;
    note(fgetxattr(file.get(), "user.none", buffer.data(), buffer.size()));
    note(read(file.get(), buffer.data(), buffer.size()));
    return errors;
  }

  std::string counter() const { return image_path("counter"); }

  std::string mount_point_;
};

TEST_F(MemoryTest, ThatIsMissingAtTheStartLeavesNoMount) {
  with_each_allocation_failing([&](long number) {
    starve(number);
    const auto daemon = start();
    if (!daemon->has_ended()) daemon->signal(SIGTERM);
    EXPECT_THAT(daemon->wait(), testing::AnyOf(0, EX_OSERR));
    EXPECT_FALSE(is_mounted(mount_point_));
  });
}

TEST_F(MemoryTest, ThatIsMissingLaterIsAnErrorToTheReader) {
  const std::string data = region_paths(image_path(), RegionType::data).at(0);
  const auto size = fs::file_size(data);
  with_each_allocation_failing([&](long number) {
    starve(0);
    fs::resize_file(data, size);
    const auto daemon = start();
    fs::resize_file(data, 4096);
    starve(number);
    EXPECT_THAT(errors(), testing::Each(testing::AnyOf(0, EIO, ENOMEM, ENODATA)));
    daemon->signal(SIGTERM);
    EXPECT_EQ(0, daemon->wait());
    EXPECT_FALSE(is_mounted(mount_point_));
  });
}

TEST_F(BadInputTest, AWalkOfACycleAmongDirectoriesEndsWithAnError) {
  ForgedImage forged;
  forged.write(fs::path(image_path()).parent_path().string(), forged.directory_chain(3, 2));
  const std::string mount_point = mount("forged.cim");
  EXPECT_EQ(0, access((mount_point + "/d").c_str(), F_OK));
  const int status =
      std::system(("prlimit --cpu=60 find " + mount_point + " >/dev/null 2>&1").c_str());
  EXPECT_EQ(1, WEXITSTATUS(status));
}

TEST_F(BadInputTest, DataThatIsNotThereIsAnErrorToItsReader) {
  const FileId id = Image(image_path()).resolve(u"broken").value();
  const std::uint64_t stream =
      record_offset(image_path(), metadata_path(), id) + offsetof(format::File, default_stream);
  overwrite(metadata_path(), stream + offsetof(format::Stream, data), format::max_byte_offset);

  const FileDescriptor file(open((mount() + "/broken").c_str(), O_RDONLY | O_CLOEXEC));
  char byte;
  EXPECT_EQ(-1, read(file.get(), &byte, 1));
  EXPECT_EQ(EIO, errno);
}

}  // namespace
}  // namespace cim::test
