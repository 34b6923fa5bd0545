// CimMountImage, CimDismountImage and CimGetVolumePath, on a real mount.
#include <climits>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <sstream>
#include <string>

#include <fcntl.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fixture.h"

namespace cim::capi_test {
namespace {

namespace fs = std::filesystem;

constexpr GUID first_volume = {0x93b0cd56, 0x86b0, 0x43fa, {0x82, 0x0e, 0x2e, 0x42, 1, 2, 3, 4}};
constexpr GUID second_volume = {0x93b0cd57, 0x86b0, 0x43fa, {0x82, 0x0e, 0x2e, 0x42, 1, 2, 3, 4}};
constexpr const char* first_volume_name = "Volume{93b0cd56-86b0-43fa-820e-2e4201020304}";

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

// Unmounts everything mounted below `directory`, even if CimDismountImage() is broken.
void unmount_all_below(const std::string& directory) {
  std::ifstream mounts("/proc/self/mountinfo");
  for (std::string line; std::getline(mounts, line);) {
    std::istringstream fields(line);
    std::string mount_point;
    for (int i = 0; i < 5; ++i) fields >> mount_point;
    if (!mount_point.starts_with(directory + "/")) continue;
    [[maybe_unused]] const int ignored =
        std::system(("fusermount3 -u -z '" + mount_point + "'").c_str());
  }
}

// Sets $CIMFS_MOUNT_ROOT to a directory that does not exist yet, and leaves no volume mounted.
class VolumeTest : public CapiTest {
 protected:
  VolumeTest() : root_(directory() + "/mounts/here") {
    setenv("CIMFS_MOUNT_ROOT", root_.c_str(), 1);
  }
  ~VolumeTest() override {
    unmount_all_below(directory());
    unsetenv("CIMFS_MOUNT_ROOT");
  }

  HRESULT mount(PCWSTR name, const GUID& volume,
                CIM_MOUNT_IMAGE_FLAGS flags = CIM_MOUNT_IMAGE_NONE) const {
    return CimMountImage(directory16().c_str(), name, flags, &volume);
  }

  // Puts first in $PATH a daemon that only says something and runs a shell command.
  void use_daemon(const std::string& command) const {
    const std::string bin = directory() + "/bin";
    fs::create_directory(bin);
    std::ofstream(bin + "/cimfs") << "#!/bin/sh\necho 'cimfs: broken' >&2\n" << command << "\n";
    fs::permissions(bin + "/cimfs", fs::perms::owner_all);
    setenv("PATH", (bin + ":" + getenv("PATH")).c_str(), 1);
  }

  fs::path first_mount_point() const { return root_ / first_volume_name; }

  fs::path root_;
};

// Without /dev/fuse these tests are skipped.
class MountTest : public VolumeTest {
 protected:
  void SetUp() override {
    const int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fuse < 0) GTEST_SKIP() << "/dev/fuse cannot be opened";
    close(fuse);
    commit_image(u"a.cim", "contents");
  }
};

std::optional<std::string> volume_path(const GUID& volume) {
  char path[PATH_MAX];
  if (FAILED(CimGetVolumePath(&volume, path, sizeof(path)))) return std::nullopt;
  return path;
}

TEST_F(VolumeTest, UnknownFlagsAreInvalid) {
  commit_image(u"a.cim", "contents");
  EXPECT_EQ(E_INVALIDARG, mount(u"a.cim", first_volume, CIM_MOUNT_IMAGE_FLAGS{0x40}));
  EXPECT_EQ(E_INVALIDARG, mount(u"a.cim", first_volume, CIM_MOUNT_IMAGE_FLAGS{0x80000002}));
}

TEST_F(VolumeTest, OtherKindsOfImagesAreNotSupported) {
  commit_image(u"a.cim", "contents");
  for (const UINT32 flags : {0x10, 0x20, 0x80, 0x12}) {
    EXPECT_EQ(not_supported, mount(u"a.cim", first_volume, CIM_MOUNT_IMAGE_FLAGS{flags})) << flags;
  }
}

TEST_F(VolumeTest, NullAndMalformedArgumentsAreInvalid) {
  commit_image(u"a.cim", "contents");
  const std::u16string directory = directory16();
  const auto none = CIM_MOUNT_IMAGE_NONE;
  EXPECT_EQ(E_INVALIDARG, CimMountImage(nullptr, u"a.cim", none, &first_volume));
  EXPECT_EQ(E_INVALIDARG, CimMountImage(directory.c_str(), nullptr, none, &first_volume));
  EXPECT_EQ(E_INVALIDARG, CimMountImage(directory.c_str(), u"a.cim", none, nullptr));
  EXPECT_EQ(E_INVALIDARG, CimMountImage(directory.c_str(), u"../a.cim", none, &first_volume));
  EXPECT_EQ(E_INVALIDARG, CimDismountImage(nullptr));
  char path[PATH_MAX];
  EXPECT_EQ(E_INVALIDARG, CimGetVolumePath(nullptr, path, sizeof(path)));
  EXPECT_EQ(E_POINTER, CimGetVolumePath(&first_volume, nullptr, sizeof(path)));
}

TEST_F(VolumeTest, MissingDirectoryIsPathNotFound) {
  const std::u16string missing = directory16() + u"/missing";
  EXPECT_EQ(path_not_found,
            CimMountImage(missing.c_str(), u"a.cim", CIM_MOUNT_IMAGE_NONE, &first_volume));
}

TEST_F(VolumeTest, MissingImageIsFileNotFound) {
  EXPECT_EQ(file_not_found, mount(u"a.cim", first_volume));
}

TEST_F(VolumeTest, ForeignFileIsCorruptAndLeavesNoMountPoint) {
  std::ofstream(directory() + "/a.cim") << "this is not an image";
  EXPECT_EQ(image_corrupt, mount(u"a.cim", first_volume));
  EXPECT_FALSE(fs::exists(first_mount_point()));
}

TEST_F(VolumeTest, ANewerVersionIsNotSupported) {
  commit_image(u"a.cim", "contents");
  constexpr std::streamoff version_major = 16;
  std::fstream(directory() + "/a.cim", std::ios::in | std::ios::out | std::ios::binary)
      .seekp(version_major)
      .put(4);
  EXPECT_EQ(version_not_supported, mount(u"a.cim", first_volume));
  ImageHandle image;
  EXPECT_EQ(version_not_supported, create_image(u"a.cim", nullptr, image));
}

TEST_F(VolumeTest, WhatIsNotMountedIsFileNotFound) {
  char path[PATH_MAX];
  EXPECT_EQ(file_not_found, CimDismountImage(&first_volume));
  EXPECT_EQ(file_not_found, CimGetVolumePath(&first_volume, path, sizeof(path)));
  fs::create_directories(first_mount_point());
  EXPECT_EQ(file_not_found, CimDismountImage(&first_volume));
  EXPECT_EQ(file_not_found, CimGetVolumePath(&first_volume, path, sizeof(path)));
}

TEST_F(VolumeTest, FailureOfTheDaemonTellsItsKindAndRemovesTheMountPoint) {
  struct End {
    const char* command;
    HRESULT result;
  };
  commit_image(u"a.cim", "contents");
  fs::create_directories(root_);
  const std::string path = getenv("PATH");
  for (const End& end : {End{"exit 1", io_device}, End{"exit 2", io_device},
                         End{"exit 65", image_corrupt}, End{"exit 66", file_not_found},
                         End{"exit 69", version_not_supported}, End{"exit 71", E_OUTOFMEMORY},
                         End{"exit 77", E_ACCESSDENIED}, End{"exit 78", not_supported},
                         End{"exit 127", io_device}, End{"kill -KILL $$", io_device}}) {
    use_daemon(end.command);
    EXPECT_EQ(end.result, mount(u"a.cim", first_volume)) << end.command;
    EXPECT_TRUE(fs::exists(root_));
    EXPECT_FALSE(fs::exists(first_mount_point()));
    setenv("PATH", path.c_str(), 1);
  }
}

// The daemon may refuse what the library takes for an image.
TEST_F(MountTest, RootThatIsALinkIsCorrupt) {
  {
    ImageHandle image;
    ASSERT_EQ(S_OK, create_image(nullptr, u"link.cim", image));
    const unsigned char lx_symlink[] = {0x1D, 0, 0, 0xA0, 5, 0, 0, 0, 2, 0, 0, 0, 'x'};
    CIMFS_FILE_METADATA metadata = directory_metadata();
    metadata.ReparseDataBuffer = lx_symlink;
    metadata.ReparseDataSize = sizeof(lx_symlink);
    StreamHandle stream;
    ASSERT_EQ(S_OK, CimCreateFile(image.get(), u"\\", &metadata, stream.out()));
    stream.close();
    ASSERT_EQ(S_OK, CimCommitImage(image.get()));
  }
  EXPECT_EQ(image_corrupt, mount(u"link.cim", first_volume));
}

// Runs `action` in a process of its own and returns its result.
template <typename Action>
HRESULT in_child(Action&& action) {
  int ends[2];
  if (pipe(ends) != 0) return E_FAIL;
  const pid_t child = fork();
  if (child == 0) {
    const HRESULT result = action();
    _exit(::write(ends[1], &result, sizeof(result)) == sizeof(result) ? 0 : 1);
  }
  close(ends[1]);
  HRESULT result = E_FAIL;
  if (::read(ends[0], &result, sizeof(result)) != sizeof(result)) ADD_FAILURE() << "no result";
  close(ends[0]);
  waitpid(child, nullptr, 0);
  return result;
}

TEST_F(MountTest, WithoutTheRightToMountAccessIsDenied) {
  if (geteuid() != 0) GTEST_SKIP() << "only root has a right to give up";
  EXPECT_EQ(E_ACCESSDENIED, in_child([&] {
              prctl(PR_CAPBSET_DROP, CAP_SYS_ADMIN, 0, 0, 0);  // of the daemon
              return mount(u"a.cim", first_volume);
            }));
  EXPECT_FALSE(fs::exists(first_mount_point()));
}

void wait_for_all(int) {
  while (waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

// A program that ignores SIGCHLD, or waits for all its children, loses the daemon's exit status.
TEST_F(MountTest, WorksWhateverBecomesOfChildren) {
  for (void (*handler)(int) : {SIG_IGN, &wait_for_all}) {
    EXPECT_EQ(S_OK, in_child([&] {
                std::signal(SIGCHLD, handler);
                return mount(u"a.cim", first_volume);
              }));
    EXPECT_EQ("contents", read_file(first_mount_point() / "f"));
    EXPECT_EQ(S_OK, in_child([&] {
                std::signal(SIGCHLD, handler);
                return CimDismountImage(&first_volume);
              }));
    EXPECT_EQ(io_device, in_child([&] {
                std::signal(SIGCHLD, handler);
                use_daemon("exit 1");
                return mount(u"a.cim", first_volume);
              }));
  }
}

TEST_F(MountTest, ContentsAreAtTheVolumePathUntilDismounted) {
  ASSERT_EQ(S_OK, mount(u"a.cim", first_volume));
  const auto path = volume_path(first_volume);
  ASSERT_TRUE(path);
  EXPECT_TRUE(fs::path(*path).is_absolute());
  EXPECT_EQ(first_volume_name, fs::path(*path).filename());
  EXPECT_EQ("contents", read_file(*path + "/f"));

  EXPECT_EQ(S_OK, CimDismountImage(&first_volume));
  EXPECT_FALSE(volume_path(first_volume));
  EXPECT_FALSE(fs::exists(*path));
  EXPECT_EQ(file_not_found, CimDismountImage(&first_volume));
}

TEST_F(MountTest, MergedImageIsMountedWithThoseThatItIsMadeOf) {
  commit_image(u"b.cim", "other");
  commit_image(u"c.cim", "strange");
  ImageHandle merging;
  ASSERT_EQ(S_OK, create_image(nullptr, u"merged.cim", merging));
  ASSERT_EQ(S_OK, CimAddFsToMergedImage(merging.get(), u"b.cim"));
  ASSERT_EQ(S_OK, CimAddFsToMergedImage(merging.get(), u"a.cim"));
  ASSERT_EQ(S_OK, CimCommitImage(merging.get()));
  const std::u16string directory = directory16();
  const std::u16string missing = directory + u"/missing";
  CIMFS_IMAGE_PATH images[] = {{directory.c_str(), u"merged.cim"},
                               {directory.c_str(), u"b.cim"},
                               {directory.c_str(), u"a.cim"}};
  const auto mount = [&](UINT32 count, UINT32 flags = 0) {
    return CimMergeMountImage(count, images, CIM_MOUNT_IMAGE_FLAGS{flags}, &first_volume);
  };
  EXPECT_EQ(E_INVALIDARG, mount(0));
  EXPECT_EQ(E_INVALIDARG, mount(1));
  EXPECT_EQ(E_INVALIDARG, mount(3, 0x40));
  EXPECT_EQ(not_supported, mount(3, CIM_MOUNT_BLOCK_CIM));
  EXPECT_EQ(E_INVALIDARG, CimMergeMountImage(3, nullptr, CIM_MOUNT_IMAGE_NONE, &first_volume));
  EXPECT_EQ(E_INVALIDARG, CimMergeMountImage(3, images, CIM_MOUNT_IMAGE_NONE, nullptr));
  images[2].ImageName = u"c.cim";
  EXPECT_EQ(E_INVALIDARG, mount(3));
  images[2].ImageName = u"missing.cim";
  EXPECT_EQ(file_not_found, mount(3));
  images[2].ImageName = nullptr;
  EXPECT_EQ(E_INVALIDARG, mount(3));
  images[2].ImageName = u"a.cim";
  images[0].ImageDir = missing.c_str();
  EXPECT_EQ(path_not_found, mount(3));
  images[0].ImageDir = directory.c_str();
  EXPECT_EQ(std::nullopt, volume_path(first_volume));
  ASSERT_EQ(S_OK, mount(3));
  EXPECT_EQ("other", read_file(first_mount_point() / "f"));
  EXPECT_EQ(already_exists, mount(3));
  EXPECT_EQ(S_OK, CimDismountImage(&first_volume));
}

TEST_F(MountTest, CachingFlagsAreAccepted) {
  EXPECT_EQ(S_OK, mount(u"a.cim", first_volume,
                        CIM_MOUNT_ENABLE_DAX | CIM_MOUNT_CACHE_FILES | CIM_MOUNT_CACHE_REGIONS));
}

TEST_F(MountTest, MountedGuidAlreadyExists) {
  ASSERT_EQ(S_OK, mount(u"a.cim", first_volume));
  EXPECT_EQ(already_exists, mount(u"a.cim", first_volume));
  EXPECT_EQ("contents", read_file(first_mount_point() / "f"));
}

TEST_F(MountTest, LeftOverMountPointIsUsed) {
  fs::create_directories(first_mount_point());
  EXPECT_EQ(S_OK, mount(u"a.cim", first_volume));
  EXPECT_EQ("contents", read_file(first_mount_point() / "f"));
}

TEST_F(MountTest, MountRootMayBeBehindASymbolicLink) {
  fs::create_directories(directory() + "/real");
  fs::create_directory_symlink(directory() + "/real", directory() + "/alias");
  setenv("CIMFS_MOUNT_ROOT", (directory() + "/alias").c_str(), 1);
  ASSERT_EQ(S_OK, mount(u"a.cim", first_volume));
  EXPECT_EQ(already_exists, mount(u"a.cim", first_volume));
  EXPECT_EQ(directory() + "/real/" + first_volume_name, volume_path(first_volume));
  EXPECT_EQ(S_OK, CimDismountImage(&first_volume));
}

TEST_F(MountTest, ShortBufferIsInsufficient) {
  ASSERT_EQ(S_OK, mount(u"a.cim", first_volume));
  const std::string path = volume_path(first_volume).value();
  std::string buffer(path.size() + 1, 'x');
  EXPECT_EQ(insufficient_buffer, CimGetVolumePath(&first_volume, buffer.data(), path.size()));
  EXPECT_EQ(std::string(path.size() + 1, 'x'), buffer);
  EXPECT_EQ(S_OK, CimGetVolumePath(&first_volume, buffer.data(), buffer.size()));
  EXPECT_EQ(path, buffer.c_str());
}

TEST_F(MountTest, MountedImageCannotBeReplacedButForked) {
  ASSERT_EQ(S_OK, mount(u"a.cim", first_volume));
  {
    ImageHandle image;
    EXPECT_EQ(sharing_violation, create_image(u"a.cim", nullptr, image));
    EXPECT_EQ(nullptr, image.get());
  }
  ImageHandle fork;
  ASSERT_EQ(S_OK, create_image(u"a.cim", u"b.cim", fork));
  ASSERT_EQ(S_OK, CimDeletePath(fork.get(), u"f"));
  ASSERT_EQ(S_OK, CimCommitImage(fork.get()));
  ASSERT_EQ(S_OK, mount(u"b.cim", second_volume));
  EXPECT_EQ("contents", read_file(first_mount_point() / "f"));
  EXPECT_TRUE(fs::is_empty(volume_path(second_volume).value()));
}

TEST_F(MountTest, CommitRefusedByAMountSucceedsAfterTheDismount) {
  ImageHandle image;
  ASSERT_EQ(S_OK, create_image(u"a.cim", nullptr, image));
  ASSERT_EQ(S_OK, CimDeletePath(image.get(), u"f"));
  ASSERT_EQ(S_OK, mount(u"a.cim", first_volume));
  ASSERT_EQ(sharing_violation, CimCommitImage(image.get()));
  ASSERT_EQ(S_OK, CimDismountImage(&first_volume));
  EXPECT_EQ(S_OK, CimCommitImage(image.get()));
  EXPECT_FALSE(has_path(open_image("a.cim"), u"f"));
}

TEST_F(MountTest, VolumeInUseIsSharingViolation) {
  ASSERT_EQ(S_OK, mount(u"a.cim", first_volume));
  {
    const std::ifstream file(first_mount_point() / "f");
    ASSERT_TRUE(file.is_open());
    EXPECT_EQ(sharing_violation, CimDismountImage(&first_volume));
  }
  EXPECT_EQ(S_OK, CimDismountImage(&first_volume));
}

TEST_F(MountTest, ChildOnlyMasksTheContentsOfTheParent) {
  {
    ImageHandle fork;
    ASSERT_EQ(S_OK, create_image(u"a.cim", u"fork.cim", fork));
    const CIMFS_FILE_METADATA metadata = file_metadata(0);
    StreamHandle stream;
    ASSERT_EQ(S_OK, CimCreateFile(fork.get(), u"added", &metadata, stream.out()));
    stream.close();
    ASSERT_EQ(S_OK, CimCommitImage(fork.get()));
  }
  ASSERT_EQ(S_OK, mount(u"fork.cim", first_volume, CIM_MOUNT_CHILD_ONLY));
  ASSERT_EQ(S_OK, mount(u"fork.cim", second_volume));
  const fs::path masked = volume_path(first_volume).value();
  const fs::path whole = volume_path(second_volume).value();
  EXPECT_TRUE(fs::exists(masked / "added"));
  EXPECT_FALSE(fs::exists(masked / "f"));
  EXPECT_EQ(1, std::distance(fs::directory_iterator(masked), fs::directory_iterator()));
  EXPECT_EQ(2, std::distance(fs::directory_iterator(whole), fs::directory_iterator()));
}

}  // namespace
}  // namespace cim::capi_test
