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
          {"image", "09e79b604f67ee3d5731e6c9454b478e210689dff0a5cf201e8944d16d3bf36f"},
          {"objectid_0", "dcfbef63540aa63a11a78086847de15fff4d099c3588c5187e867be3adfa22eb"},
          {"objectid_1", "82815b5191c3497138ba3529b554f499181b00236220a14caffc03cb0f0edf0e"},
          {"objectid_2", "5193d6e40cc70615a472ab5e8d73393587e623701fb1df6b9a5f087b8b17e529"},
          {"region_0", "a2e5e00737acf4aa1378c8048810065394a863ca60bb785bfc9ed85be3deef21"},
          {"region_1", "323631f41ae56102674f092ba60092850e81a05c95aaeaffeb9100b399bb5b0a"},
          {"region_2", "fb18055ae63899d6681db0099941fe08079bf83c17ca33cedf5c4a53f390b681"},
      });
  run(with_owner({"create", "fork.cim", "changes", "--from", "base.cim"}));
  expect_golden(
      "fork.cim",
      {
          {"image", "eee59516bb4c0a16df219e49b18f8c9eeac6dca893ab5e24cbb0abe1d88cf823"},
          {"objectid_0", "c55c937f88bc5cdf69be089be02fe67510a401682abbfaa09ab085e271092e13"},
          {"objectid_1", "92cdbdf50f2e199fa7e0311c3f070951d68092571147e0dc50622556d9243504"},
          {"region_0", "8311f7d24d7d6823cf7b51d2efac0698386039e3786184755d266216468e046a"},
          {"region_1", "6292226f3c4204f312bcc1cb0ef8de03ab45753c4cd49f037af6e9a160665bdc"},
      });
  run({"rm", "fork.cim", "d/e/link"});
  run({"ln", "fork.cim", "100000", "d/e/again"});
  run(with_owner({"add", "fork.cim", "changes/d/new", "added"}));
  expect_golden(
      "fork.cim",
      {
          {"image", "03120e319c42f6812e6e4edac40c968582645cb486b877cb9bb95b87df52181c"},
          {"objectid_0", "820c37bdedebb63e3bc39b68fd77b5825f917b730302cd63597c1e171a65b206"},
          {"objectid_1", "c545c744d303a9f97d381d8a5716483ae34f3cc56f2280608f15e3354a4abd1d"},
          {"region_0", "f6fc2f63de7a7b8a300ebb58f5312f870d3b81b8ef4bad2650ed2fb788eba3ac"},
          {"region_1", "5337a300a624e411714054be03729f3137ec5bc014a44bf9fced165073596945"},
      });
  run(with_owner({"create", "caseless.cim", "tree", "--case-insensitive"}));
  expect_golden(
      "caseless.cim",
      {
          {"image", "e7a70230b617c5909e45a5d903ee82059b2ab5bb245e63e053793918188d854b"},
          {"objectid_0", "50f4ff0c9a0dadd680c3b43b073b48346ad896f586fd5002f894a1f13f7fbcce"},
          {"objectid_1", "82815b5191c3497138ba3529b554f499181b00236220a14caffc03cb0f0edf0e"},
          {"objectid_2", "5193d6e40cc70615a472ab5e8d73393587e623701fb1df6b9a5f087b8b17e529"},
          {"region_0", "caf7d739e0f804b907538e772d486944958b1a2290724316ae1ae3a7b1e93533"},
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
          {"image", "5416b32a2060120fed3b0c70fe33949503781bcf02014139e6e20dfa1a2f5a75"},
          {"objectid_0", "b5b12e810532c98ba8ab3f9bf0c2692c1cecace9c050bdfe1a40fc9b05adebe4"},
          {"objectid_1", "23dac2e263cb29cc7edcd2966aeb8896c118a025f6150d1d34fde60cef52c1f0"},
          {"objectid_2", "92f58160f0a580b69ce0746d1a71ce35f00ebe50f5cfc8145191e03deb6d1e77"},
          {"region_0", "d3555e179c1f0af4f47f5e30f8a14912377affa2753db074f802e67e035373ee"},
          {"region_1", "0e5382cce4c5d854c8c1d7df3e53c2eb8a0d8574adbc4a4b0db80ad69ac19f1a"},
          {"region_2", "8958b4d5a0f0992b8b89b37e995e271175803d4b976bb02c7281625f193ba6d3"},
      });
}

}  // namespace
}  // namespace cim::cli
