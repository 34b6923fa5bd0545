// Who may read what on a mount.
#include <cerrno>

#include <fcntl.h>
#include <grp.h>
#include <gtest/gtest.h>
#include <linux/posix_acl.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "fixture.h"
#include "image/file_descriptor.h"
#include "posix/acl.h"
#include "posix/linux_metadata.h"
#include "support/image_content.h"

namespace cim::test {
namespace {

constexpr uid_t named_user = 12345;
constexpr uid_t other_user = 12346;

class AccessTest : public MountTest {
 protected:
  void SetUp() override {
    if (geteuid() != 0) GTEST_SKIP() << "only root can act as another user";
    MountTest::SetUp();
  }
};

// What `action` returns when the user `uid` calls it with a descriptor of the directory at `path`.
// With that, the user needs no permission for the directories above it.
template <typename Action>
bool as_user(uid_t uid, const std::string& path, Action&& action) {
  const FileDescriptor directory(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  EXPECT_TRUE(directory) << path;
  const pid_t child = fork();
  if (child == 0) {
    if (setgroups(0, nullptr) != 0 || setgid(uid) != 0 || setuid(uid) != 0) _exit(2);
    _exit(action(directory.get()) ? 0 : 1);
  }
  int status = 0;
  EXPECT_EQ(child, waitpid(child, &status, 0));
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) <= 1);
  return status == 0;
}

bool may_read(uid_t uid, const std::string& directory, const char* name) {
  return as_user(uid, directory, [name](int fd) { return openat(fd, name, O_RDONLY) >= 0; });
}

// A file of root's with an access control list that says what `named_user` may do.
void put_with_acl(Writer& writer, std::u16string_view path, mode_t mode,
                  std::uint16_t named_permissions) {
  posix::LinuxMetadata source;
  source.status.st_mode = S_IFREG | mode;
  source.xattrs = {
      {std::string(posix::access_acl_xattr),
       posix::encode_acl(
           {{.tag = ACL_USER_OBJ, .permissions = ACL_READ | ACL_WRITE},
            {.tag = ACL_USER, .id = named_user, .permissions = named_permissions},
            {.tag = ACL_GROUP_OBJ, .permissions = ACL_READ},
            {.tag = ACL_MASK, .permissions = ACL_READ},
            {.tag = ACL_OTHER, .permissions = static_cast<std::uint16_t>(mode & 07)}})}};
  put(writer, path, "content", posix::EncodedMetadata(source).get());
}

TEST_F(AccessTest, ModesAreEnforced) {
  const std::string root = mount_of([](Writer& writer) {
    put_linux(writer, u"private", S_IFREG | 0600, "x");
    put_linux(writer, u"public", S_IFREG | 0644, "x");
    put_linux(writer, u"closed", S_IFDIR | 0700);
    put_linux(writer, u"closed\\public", S_IFREG | 0644, "x");
  });
  EXPECT_FALSE(may_read(other_user, root, "private"));
  EXPECT_TRUE(may_read(other_user, root, "public"));
  EXPECT_FALSE(may_read(other_user, root, "closed/public"));
}

TEST_F(AccessTest, AccessControlListsGrantAndDeny) {
  const std::string root = mount_of([](Writer& writer) {
    put_with_acl(writer, u"granted", 0640, ACL_READ);
    put_with_acl(writer, u"denied", 0644, 0);
  });
  EXPECT_TRUE(may_read(named_user, root, "granted"));
  EXPECT_FALSE(may_read(other_user, root, "granted"));
  EXPECT_FALSE(may_read(named_user, root, "denied"));
  EXPECT_TRUE(may_read(other_user, root, "denied"));
}

int error_of_xattr(const std::string& path, std::string_view name) {
  return lgetxattr(path.c_str(), std::string(name).c_str(), nullptr, 0) < 0 ? errno : 0;
}

// ls(1) takes EOPNOTSUPP for the whole file system and asks for no other file.
TEST_F(AccessTest, WhatNoFileHasIsNotSupported) {
  const std::string root = mount_of([](Writer& writer) { put(writer, u"plain", "x"); });
  EXPECT_EQ(EOPNOTSUPP, error_of_xattr(root + "plain", posix::access_acl_xattr));
  EXPECT_EQ(EOPNOTSUPP, error_of_xattr(root, posix::default_acl_xattr));
  EXPECT_EQ(EOPNOTSUPP, error_of_xattr(root + "plain", "security.selinux"));
  EXPECT_EQ(ENODATA, error_of_xattr(root + "plain", "security.capability"));
}

TEST_F(AccessTest, WhatAnotherFileHasIsSupported) {
  const std::string root = mount_of([](Writer& writer) {
    put(writer, u"plain", "x");
    put_with_acl(writer, u"granted", 0640, ACL_READ);
    posix::LinuxMetadata labelled;
    labelled.status.st_mode = S_IFREG | 0644;
    labelled.xattrs = {{"security.selinux", "label"}};
    put(writer, u"labelled", "x", posix::EncodedMetadata(labelled).get());
  });
  EXPECT_EQ(ENODATA, error_of_xattr(root + "plain", posix::access_acl_xattr));
  EXPECT_EQ(ENODATA, error_of_xattr(root + "plain", "security.selinux"));
  EXPECT_EQ("label", xattr(root + "labelled", "security.selinux"));
}

TEST_F(AccessTest, StreamsAreAsReadableAsTheirFile) {
  const std::string root = mount_of(
      [](Writer& writer) {
        put_with_acl(writer, u"denied", 0644, 0);
        writer.create_named_stream(u"denied", u"stream", 1).write(bytes("x"));
      },
      {"streams_interface=windows"});
  EXPECT_FALSE(may_read(named_user, root, "denied:stream"));
  EXPECT_TRUE(may_read(other_user, root, "denied:stream"));
}

TEST_F(AccessTest, TrustedAttributesAreForRootOnly) {
  const std::string root = mount_of([](Writer& writer) {
    posix::LinuxMetadata source;
    source.status.st_mode = S_IFREG | 0644;
    source.xattrs = {{"trusted.secret", "value"}};
    put(writer, u"file", "x", posix::EncodedMetadata(source).get());
  });
  EXPECT_EQ("value", xattr(root + "file", "trusted.secret"));
  EXPECT_EQ(1U, xattr_names(root + "file").size());
  EXPECT_TRUE(as_user(other_user, root, [](int directory) {
    const int file = openat(directory, "file", O_RDONLY);
    return flistxattr(file, nullptr, 0) == 0 && fgetxattr(file, "trusted.secret", nullptr, 0) < 0;
  }));
}

}  // namespace
}  // namespace cim::test
