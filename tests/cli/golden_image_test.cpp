// The images that cim makes from known trees and archives, byte by byte, for any user and anywhere.
#include "support/golden_image.h"

#include <array>
#include <optional>

#include <archive.h>
#include <archive_entry.h>
#include <boost/filesystem.hpp>
#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli_test.h"
#include "image/file_descriptor.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;

constexpr time_t some_time = 981173106;  // 2001-02-03 04:05:06 UTC
constexpr uid_t nobody = 65534;

// Content that does not repeat within a few MiB.
std::string known_content(std::size_t size) {
  std::string content(size, '\0');
  for (std::size_t i = 0; i < size; ++i) content[i] = static_cast<char>(i * i / 7919 + i);
  return content;
}

// Sets one processor, another time zone, language and mask while it lives.
class OddEnvironment {
 public:
  OddEnvironment() {
    sched_getaffinity(0, sizeof(processors_), &processors_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    EXPECT_EQ(0, sched_setaffinity(0, sizeof(one), &one));
  }
  OddEnvironment(const OddEnvironment&) = delete;
  OddEnvironment& operator=(const OddEnvironment&) = delete;
  ~OddEnvironment() {
    sched_setaffinity(0, sizeof(processors_), &processors_);
    umask(mask_);
  }

 private:
  const mode_t mask_ = umask(0077);
  const Environment time_zone_{"TZ", "XXX-05:45"};
  const Environment language_{"LC_ALL", "C.UTF-8"};
  cpu_set_t processors_;
};

enum class Circumstances { usual, odd, ordinary_user };

class GoldenImage : public CliTest, public testing::WithParamInterface<Circumstances> {
 protected:
  void SetUp() override {
    if (GetParam() == Circumstances::odd) odd_environment_.emplace();
  }

  void run(const std::vector<std::string>& arguments) const {
    const bool as_nobody = GetParam() == Circumstances::ordinary_user;
    const Result result = as_nobody ? cim_as_nobody(arguments) : cim(arguments);
    EXPECT_EQ(result.status, 0);
    EXPECT_EQ(result.err, "");
  }

  void expect_golden(const std::string& image, const test::GoldenDigests& expected) const {
    SCOPED_TRACE(image);
    test::expect_golden(expected, test::digests_of(directory(), image));
  }

  void set_mode(const std::string& name, mode_t mode) const {
    if (GetParam() == Circumstances::ordinary_user && geteuid() == 0) {
      EXPECT_EQ(0, chown(path(name).c_str(), nobody, nobody));
    }
    EXPECT_EQ(0, chmod(path(name).c_str(), mode));
  }

  void make_directory(const std::string& name, mode_t mode) const {
    fs::create_directories(path(name));
    set_mode(name, mode);
  }

  void make_file(const std::string& name, mode_t mode, const std::string& content) const {
    write(name, content);
    set_mode(name, mode);
  }

  // Makes a file of `size` bytes whose only data is a byte at `position`.
  void make_sparse(const std::string& name, off_t size, off_t position) const {
    write(name, "");
    fs::resize_file(path(name), static_cast<std::uintmax_t>(size));
    const FileDescriptor fd(open(path(name).c_str(), O_WRONLY | O_CLOEXEC));
    EXPECT_EQ(1, pwrite(fd.get(), "x", 1, position));
    set_mode(name, 0644);
  }

  // Completes a tree. Returns whether its files have no other metadata that an image keeps: on some
  // systems every file has a label.
  bool finish_tree(const std::string& tree) const {
    const std::array<timespec, 2> times = {timespec{some_time, 0}, timespec{some_time, 0}};
    std::vector<std::string> paths = {path(tree)};
    for (const fs::path& file : fs::recursive_directory_iterator(path(tree))) {
      paths.push_back(file.string());
    }
    bool is_bare = true;
    for (const std::string& file : paths) {
      EXPECT_EQ(0, utimensat(AT_FDCWD, file.c_str(), times.data(), AT_SYMLINK_NOFOLLOW)) << file;
      is_bare = is_bare && llistxattr(file.c_str(), nullptr, 0) <= 0;
    }
    return is_bare;
  }

  bool make_tree() const {
    make_directory("tree", 0755);
    for (const std::size_t size : {0, 1, 24, 25, 4096, 16384, 16385, 100000, 5000000}) {
      make_file("tree/" + std::to_string(size), 0644, known_content(size));
    }
    make_file("tree/equal to 16385", 0600, known_content(16385));
    make_file("tree/run", 04755, "#!/bin/sh\n");
    make_file("tree/read only", 0444, "read only");
    make_sparse("tree/some holes", 6 << 20, 3 << 20);
    make_sparse("tree/zeros", 20000, 0);
    make_file("tree/zeros", 0644, std::string(20000, '\0'));
    make_directory("tree/d", 0750);
    make_directory("tree/d/e", 01777);
    make_directory("tree/d/empty", 02711);
    make_file("tree/d/e/deep", 0644, "deep");
    for (const char* name : {"\u00e4\U0001f600", "a:b*?", "back\\slash", "CON", "dot."}) {
      make_file("tree/d/" + std::string(name), 0644, name);
    }
    fs::create_hard_link(path("tree/24"), path("tree/d/e/link"));
    fs::create_symlink("d/e/deep", path("tree/symlink"));
    fs::create_symlink("../" + std::string(200, 'l'), path("tree/d/dangling"));
    EXPECT_EQ(0, mkfifo(path("tree/fifo").c_str(), 0600));
    set_mode("tree/fifo", 0640);
    return finish_tree("tree");
  }

  bool make_changes() const {
    make_directory("changes", 0700);
    make_directory("changes/d", 0755);
    make_file("changes/1", 0644, "replaced");
    make_file("changes/d/new", 0644, known_content(16385));
    return finish_tree("changes");
  }

 private:
  std::optional<OddEnvironment> odd_environment_;
};

std::string name_of(const testing::TestParamInfo<Circumstances>& test) {
  constexpr std::array circumstances = {"Usual", "Odd", "OrdinaryUser"};
  return circumstances.at(static_cast<std::size_t>(test.param));
}

INSTANTIATE_TEST_SUITE_P(, GoldenImage,
                         testing::Values(Circumstances::usual, Circumstances::odd,
                                         Circumstances::ordinary_user),
                         name_of);

const std::vector<std::string> owner = {"--owner", "1000", "--group", "100"};

std::vector<std::string> with_owner(std::vector<std::string> arguments) {
  arguments.insert(arguments.end(), owner.begin(), owner.end());
  return arguments;
}

TEST_P(GoldenImage, OfATreeAndItsForks) {
  const bool are_bare = make_tree() && make_changes();
  if (!are_bare) GTEST_SKIP() << "files get extended attributes by themselves here";
  run(with_owner({"create", "base.cim", "tree"}));
  expect_golden(
      "base.cim",
      {
          {"image", "8e0cdabaf878bd6aab0cc05fe2a303b8ee35c029891845ffb5fedce45b4fa3e6"},
          {"objectid_0", "43f24a5aba15f42c4d56a66ca6b5f94b3a803b801c9ba9ba251472a11fee0c59"},
          {"objectid_1", "82815b5191c3497138ba3529b554f499181b00236220a14caffc03cb0f0edf0e"},
          {"objectid_2", "5193d6e40cc70615a472ab5e8d73393587e623701fb1df6b9a5f087b8b17e529"},
          {"region_0", "427ee80252b0bcc69d182f0cacd9d6997413d52fde5d63b707c011f25c37452a"},
          {"region_1", "323631f41ae56102674f092ba60092850e81a05c95aaeaffeb9100b399bb5b0a"},
          {"region_2", "fb18055ae63899d6681db0099941fe08079bf83c17ca33cedf5c4a53f390b681"},
      });
  run(with_owner({"create", "fork.cim", "changes", "--from", "base.cim"}));
  expect_golden(
      "fork.cim",
      {
          {"image", "7d93159773cc0e00793aaf20617b97e20a3b3f8537a5b83744226696b59d0995"},
          {"objectid_0", "97d69c9b69d881ea7b5753cfbc2e869b900d51e859e703c030d8b724acb2c965"},
          {"objectid_1", "c3e5bd64841499e2d7712bda4eaa63fff3f0fefc7dd374b3c6e6b2cbc6d5ef85"},
          {"region_0", "3465cba66ba100037bdaed49153ab4031d34032debc26649ef23e08fb55be705"},
          {"region_1", "96ff74ec2a72edbeb219b555f732b6be06bddb6669ff3a0c5a094595b944605c"},
      });
  run({"rm", "fork.cim", "d/e/link"});
  run({"ln", "fork.cim", "100000", "d/e/again"});
  run(with_owner({"add", "fork.cim", "changes/d/new", "added"}));
  expect_golden(
      "fork.cim",
      {
          {"image", "bfc7810944a5d618b07a5f188446a8af54831d7b381dc466ea07c4ffe8dde5e5"},
          {"objectid_0", "5ad19631aec33fe06470cf7cb6d6767cf40cdf72a0946af42314f5e5593f13b4"},
          {"objectid_1", "4262ab5fce4e8db7aba8a60996f5ed68cbf34ed7898123ebf1ab90f3f7537216"},
          {"region_0", "a57cf1150992462a4331d30df9f09a195c9837c3f7990862b8ff999b7414c7d6"},
          {"region_1", "eae4b86b76dabff6fe341fb4c709c54008930f6c0471a0169126c86ad645d7e8"},
      });
  run(with_owner({"create", "caseless.cim", "tree", "--case-insensitive"}));
  expect_golden(
      "caseless.cim",
      {
          {"image", "744da326af8fe0ad6a305e75690f1d8e233c1daca995d4fafbef4ca41f97cbf4"},
          {"objectid_0", "d6fc01eef64e776a4d4744a0be4f6ca14c30e30198bcfc63caa12a03562405ab"},
          {"objectid_1", "82815b5191c3497138ba3529b554f499181b00236220a14caffc03cb0f0edf0e"},
          {"objectid_2", "5193d6e40cc70615a472ab5e8d73393587e623701fb1df6b9a5f087b8b17e529"},
          {"region_0", "b8c31169bad016a07a72dc0efc04f7182c714173c4d841607432a079bf13b9e0"},
          {"region_1", "323631f41ae56102674f092ba60092850e81a05c95aaeaffeb9100b399bb5b0a"},
          {"region_2", "fb18055ae63899d6681db0099941fe08079bf83c17ca33cedf5c4a53f390b681"},
      });
}

// An archive of things that only root can put in a tree, or that not every file system holds.
class KnownArchive {
 public:
  explicit KnownArchive(const std::string& path) : writer_(archive_write_new()) {
    archive_write_set_format_pax(writer_);
    EXPECT_EQ(ARCHIVE_OK, archive_write_open_filename(writer_, path.c_str())) << error();
  }
  KnownArchive(const KnownArchive&) = delete;
  KnownArchive& operator=(const KnownArchive&) = delete;
  ~KnownArchive() {
    EXPECT_EQ(ARCHIVE_OK, archive_write_close(writer_)) << error();
    archive_write_free(writer_);
  }

  // Adds a member; `describe` sets further fields of its archive_entry.
  template <typename Describe>
  void add(const char* name, mode_t mode, const std::string& content, Describe&& describe) {
    archive_entry* const entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_mode(entry, mode);
    archive_entry_set_uid(entry, 100000);
    archive_entry_set_gid(entry, 5);
    archive_entry_set_mtime(entry, some_time, 123456700);
    archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
    describe(entry);
    EXPECT_GE(archive_write_header(writer_, entry), ARCHIVE_WARN) << name << ": " << error();
    EXPECT_EQ(std::ssize(content), archive_write_data(writer_, content.data(), content.size()))
        << name << ": " << error();
    archive_entry_free(entry);
  }
  void add(const char* name, mode_t mode, const std::string& content = {}) {
    add(name, mode, content, [](archive_entry*) {});
  }

 private:
  const char* error() const {
    const char* const message = archive_error_string(writer_);
    return message == nullptr ? "" : message;
  }

  archive* writer_;
};

void make_archive(const std::string& path) {
  KnownArchive archive(path);
  archive.add("./", S_IFDIR | 0755);
  archive.add("./small", S_IFREG | 0644, "small", [](archive_entry* entry) {
    archive_entry_xattr_add_entry(entry, "user.z", "last", 4);
    archive_entry_xattr_add_entry(entry, "user.a", "", 0);
    archive_entry_xattr_add_entry(entry, "trusted.large", known_content(3000).data(), 3000);
  });
  archive.add("./capable", S_IFREG | 0755, known_content(30000), [](archive_entry* entry) {
    constexpr std::array<unsigned char, 20> raw_net = {1, 0, 0, 2, 0, 0x20};
    archive_entry_xattr_add_entry(entry, "security.capability", raw_net.data(), raw_net.size());
  });
  archive.add("./shared", S_IFDIR | 02770, {}, [](archive_entry* entry) {
    for (const int type : {ARCHIVE_ENTRY_ACL_TYPE_ACCESS, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT}) {
      archive_entry_acl_add_entry(entry, type, 7, ARCHIVE_ENTRY_ACL_USER_OBJ, -1, nullptr);
      archive_entry_acl_add_entry(entry, type, 5, ARCHIVE_ENTRY_ACL_USER, 4242, nullptr);
      archive_entry_acl_add_entry(entry, type, 7, ARCHIVE_ENTRY_ACL_GROUP_OBJ, -1, nullptr);
      archive_entry_acl_add_entry(entry, type, 7, ARCHIVE_ENTRY_ACL_MASK, -1, nullptr);
      archive_entry_acl_add_entry(entry, type, 0, ARCHIVE_ENTRY_ACL_OTHER, -1, nullptr);
    }
  });
  archive.add("./shared/\xff\xfe", S_IFREG | 0600, "a name that is not UTF-8");
  archive.add("./shared/link", S_IFREG | 0644, {},
              [](archive_entry* entry) { archive_entry_set_hardlink(entry, "./small"); });
  archive.add("./symlink", S_IFLNK | 0777, {},
              [](archive_entry* entry) { archive_entry_set_symlink(entry, "/etc/\xe4"); });
  archive.add("./console", S_IFCHR | 0600, {},
              [](archive_entry* entry) { archive_entry_set_rdev(entry, makedev(5, 1)); });
  archive.add("./disk", S_IFBLK | 0660, {},
              [](archive_entry* entry) { archive_entry_set_rdev(entry, makedev(259, 70000)); });
  archive.add("./fifo", S_IFIFO | 0600);
  archive.add("./before 1970", S_IFREG | 0644, {},
              [](archive_entry* entry) { archive_entry_set_mtime(entry, -1, 0); });
  archive.add("./many/names/that/were/not/listed", S_IFREG | 0644, "x");
}

TEST_P(GoldenImage, OfAnArchive) {
  make_archive(path("app.tar"));
  set_mode("app.tar", 0644);
  run({"create", "app.cim", "--tar", "app.tar"});
  expect_golden(
      "app.cim",
      {
          {"image", "2d9162977d481f0f8f24d2137c6ad6b7aa41c72da28faaf47620ecf47dfa1b44"},
          {"objectid_0", "89361b8c321236ebe7431cc48455f0a7fcb1bbab83fc5739022be4891bca0ec4"},
          {"objectid_1", "23dac2e263cb29cc7edcd2966aeb8896c118a025f6150d1d34fde60cef52c1f0"},
          {"objectid_2", "92f58160f0a580b69ce0746d1a71ce35f00ebe50f5cfc8145191e03deb6d1e77"},
          {"region_0", "7751439d80cf6147bcf57add263c853fdac7185cc29550bd5fa60434897d36c0"},
          {"region_1", "0e5382cce4c5d854c8c1d7df3e53c2eb8a0d8574adbc4a4b0db80ad69ac19f1a"},
          {"region_2", "8958b4d5a0f0992b8b89b37e995e271175803d4b976bb02c7281625f193ba6d3"},
      });
}

}  // namespace
}  // namespace cim::cli
