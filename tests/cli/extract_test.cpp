// cim extract.
#include <cstdlib>
#include <fstream>
#include <optional>
#include <utility>

#include <boost/filesystem.hpp>
#include <cim/writer.h>
#include <gmock/gmock.h>
#include <linux/posix_acl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli_test.h"
#include "faults.h"
#include "mount/program.h"
#include "posix/acl.h"
#include "support/preload.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;
using testing::HasSubstr;

using Names = std::set<std::string>;

class ExtractCommand : public CliTest {
 protected:
  // The paths of everything below a directory.
  Names names_below(const std::string& name) const {
    Names names;
    for (const auto& entry : fs::recursive_directory_iterator(path(name))) {
      names.insert(entry.path().lexically_relative(path(name)).string());
    }
    return names;
  }
};

TEST_F(ExtractCommand, CopiesTheWholeImage) {
  write("src/d/file", "x");
  succeed({"create", "app.cim", "src"});
  EXPECT_EQ(succeed({"extract", "app.cim", "out"}), "");
  EXPECT_EQ(read("out/d/file"), "x");
}

TEST_F(ExtractCommand, CopiesOnlyThePathsThatAreNamed) {
  write("src/d/a", "a");
  write("src/d/b", "b");
  write("src/e", "e");
  succeed({"create", "app.cim", "src"});
  succeed({"extract", "app.cim", "out", "/d/a", "e"});
  EXPECT_EQ(read("out/d/a"), "a");
  EXPECT_EQ(read("out/d/b"), "(none)");
  EXPECT_EQ(read("out/e"), "e");
}

TEST_F(ExtractCommand, CopiesOnlyWhatMatchesAPattern) {
  for (const char* file : {"src/a.so", "src/d/b.so", "src/d/c.txt", "src/e.so/inside", "src/[x]"}) {
    write(file, "x");
  }
  write("src/x", "x");
  succeed({"create", "app.cim", "src"});
  succeed({"extract", "app.cim", "out", "*.so"});
  EXPECT_EQ(names_below("out"), (Names{"a.so", "d", "d/b.so", "e.so", "e.so/inside"}));
  succeed({"extract", "app.cim", "some", "/d/?.txt", "[x]"});  // the last is a name
  EXPECT_EQ(names_below("some"), (Names{"[x]", "d", "d/c.txt"}));
  EXPECT_EQ(fail({"extract", "app.cim", "none", "*.so", "*.dll"}),
            "cim: app.cim: *.dll: no file matches");
  EXPECT_FALSE(fs::exists(path("none")));
}

TEST_F(ExtractCommand, LeavesOutWhatIsExcluded) {
  for (const char* file :
       {"src/a.o", "src/d/a.c", "src/d/b.o", "src/.git/config", "src/d/.git/x"}) {
    write(file, "x");
  }
  succeed({"create", "app.cim", "src"});
  write("patterns", "# objects\n*.o\n");
  succeed({"extract", "app.cim", "out", "--exclude", ".git", "--exclude-from", "patterns"});
  EXPECT_EQ(names_below("out"), (Names{"d", "d/a.c"}));
  succeed({"extract", "app.cim", "some", "d", "--exclude", "d/.git"});
  EXPECT_EQ(names_below("some"), (Names{"d", "d/a.c", "d/b.o"}));
}

TEST_F(ExtractCommand, NamesAPathThatIsMissing) {
  succeed({"create", "app.cim"});
  EXPECT_EQ(fail({"extract", "app.cim", "out", "no/such"}),
            "cim: app.cim: no/such: no such file or directory");
  EXPECT_FALSE(fs::exists(path("out")));
}

TEST_F(ExtractCommand, DoesNotMakeParentsOfTheDestination) {
  succeed({"create", "app.cim"});
  EXPECT_EQ(fail({"extract", "app.cim", "no/out"}),
            "cim: app.cim: no/out: No such file or directory");
}

TEST_F(ExtractCommand, CountsWhatItMayNotMakeAndGoesOn) {
  fs::create_directory(path("src"));
  if (mknod(path("src/null").c_str(), S_IFCHR | 0666, makedev(1, 3)) != 0) {
    GTEST_SKIP() << "this user may not make devices";
  }
  write("src/other", "x");
  fs::permissions(path("src"), fs::perms(0777));
  succeed({"create", "app.cim", "src"});
  const Result result = cim_as_nobody({"extract", "app.cim", "out"});
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.err,
            "cim: app.cim: out/null: Operation not permitted; left out\n"
            "cim: app.cim: extracted with 1 warning\n");
  EXPECT_EQ(read("out/other"), "x");
}

// Extraction must find the way up out of directories that nobody may search.
TEST_F(ExtractCommand, ExtractsDeepTreesOfDirectoriesWithoutPermissions) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can read these";
  std::string deepest = "src";
  for (int depth = 0; depth < 100; ++depth) deepest += "/d";
  write(deepest + "/file", "x");
  fs::permissions(path("src"), fs::perms(0777));
  for (fs::path below = deepest; below != "src"; below = below.parent_path()) {
    fs::permissions(path(below.string()), fs::no_perms);
  }
  succeed({"create", "app.cim", "src"});
  const Result result = cim_as_nobody({"extract", "app.cim", "out"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(read("out" + deepest.substr(3) + "/file"), "x");
}

// A directory that is made in one with set-group-id hands its group on, which its user need not be
// in.
TEST_F(ExtractCommand, KeepsTheGroupThatTheDestinationHandsDown) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can give a directory away";
  constexpr gid_t group = 12345;
  write("src/d/file", "x");
  fs::permissions(path("src"), fs::perms(0755));
  succeed({"create", "app.cim", "src"});
  fs::create_directory(path("shared"));
  ASSERT_EQ(chown(path("shared").c_str(), 0, group), 0);
  ASSERT_EQ(chmod(path("shared").c_str(), 02777), 0);
  EXPECT_EQ(cim_as_nobody({"extract", "app.cim", "shared/out"}).err, "");
  struct stat status = {};
  ASSERT_EQ(stat(path("shared/out/d/file").c_str(), &status), 0);
  EXPECT_EQ(status.st_gid, group);
}

// src and the empty directory out belong to an ordinary user, who extracts an image of src there.
class ExtractWithoutRights : public ExtractCommand {
 protected:
  ExtractWithoutRights() {
    write("src/d/below/file", "x");
    write("src/file", "x");
    fs::create_directory(path("out"));
    for (const char* name : {"src/d", "src/file"}) {  // where there are such attributes
      setxattr(path(name).c_str(), "user.note", "x", 1, 0);
    }
    constexpr std::uint16_t look_into = 5;
    set_list("src/d", posix::access_acl_xattr,
             {{.tag = ACL_USER_OBJ, .permissions = 7},
              {.tag = ACL_USER, .id = 12345, .permissions = look_into},
              {.tag = ACL_GROUP_OBJ, .permissions = look_into},
              {.tag = ACL_MASK, .permissions = look_into},
              {.tag = ACL_OTHER, .permissions = look_into}});
    for (const char* name :
         {"src", "src/d", "src/d/below", "src/d/below/file", "src/file", "out"}) {
      if (geteuid() != 0) break;
      EXPECT_EQ(chown(path(name).c_str(), nobody, nobody), 0);
    }
    succeed({"create", "app.cim", "src"});
  }

  bool set_list(const std::string& name, std::string_view xattr,
                const std::vector<posix::AclEntry>& list) const {
    const std::string value = posix::encode_acl(list);
    return setxattr(path(name).c_str(), xattr.data(), value.data(), value.size(), 0) == 0;
  }

  void expect_extracts(const std::string& destination) const {
    const Result result = cim_as_nobody({"extract", "app.cim", destination});
    EXPECT_EQ(result.status, 0);
    EXPECT_EQ(result.err, "");
    EXPECT_EQ(succeed({"diff", "app.cim", destination}), "");
  }

 private:
  static constexpr uid_t nobody = 65534;
};

TEST_F(ExtractWithoutRights, FillsWhatAUmaskLeavesItsOwnerNoRightsTo) {
  for (const mode_t mask : {0777, 0500, 0200}) {
    const std::string destination = "out/" + std::to_string(mask);
    const mode_t before = umask(mask);
    expect_extracts(destination);
    umask(before);
  }
}

TEST_F(ExtractWithoutRights, FillsWhatAnAccessControlListLeavesItsOwnerNoRightsTo) {
  for (const int rights : {0, 2, 5}) {
    if (!set_list("out", posix::default_acl_xattr,
                  {{.tag = ACL_USER_OBJ, .permissions = static_cast<std::uint16_t>(rights)},
                   {.tag = ACL_GROUP_OBJ, .permissions = 0},
                   {.tag = ACL_OTHER, .permissions = 0}})) {
      GTEST_SKIP() << "no access control lists in " << path("out");
    }
    expect_extracts("out/" + std::to_string(rights));
  }
}

// A file system in the file `disk`, mounted on `directory`.
class Disk {
 public:
  // `make` is the command that makes a file system of the `type` of mount(8).
  Disk(const std::string& disk, std::string directory, std::vector<std::string> make,
       const std::string& type)
      : directory_(std::move(directory)) {
    std::ofstream(disk).close();
    fs::resize_file(disk, 16 << 20);
    fs::create_directory(directory_);
    make.push_back(disk);
    mounted_ = runs(make) && runs({"mount", "-t", type, "-o", "loop", disk, directory_});
  }
  Disk(const Disk&) = delete;
  Disk& operator=(const Disk&) = delete;
  ~Disk() {
    if (mounted_) umount2(directory_.c_str(), MNT_DETACH);
  }

  bool mounted() const { return mounted_; }

  // Runs a command silently.
  static bool runs(const std::vector<std::string>& command) {
    std::vector<std::string> quiet = {"sh", "-c", "exec \"$@\" >/dev/null", "sh"};
    quiet.insert(quiet.end(), command.begin(), command.end());
    const auto result = run_program(quiet);
    return result && result->exit_status == 0;
  }

 private:
  const std::string directory_;
  bool mounted_;
};

// exFAT is like the file systems of memory sticks: it has no case, links, owners or attributes, and
// Windows' names.
TEST_F(ExtractCommand, TellsWhatASimpleFileSystemDoesNotTakeAndGoesOn) {
  for (const char* name : {"a:b", "README", "Readme", "zz"})
    write(std::string("src/") + name, name);
  fs::create_directory(path("src/D"));
  write("src/d/below", "");
  fs::create_symlink("zz", path("src/link"));
  fs::create_hard_link(path("src/zz"), path("src/second"));
  succeed({"create", "app.cim", "src"});
  const Disk disk(path("disk"), path("out"), {"mkfs.exfat"}, "exfat-fuse");
  if (!disk.mounted()) GTEST_SKIP() << "exFAT cannot be mounted";
  // A second extraction over the first gives the same messages.
  for (int round = 0; round < 2; ++round) {
    const Result result = cim({"extract", "app.cim", "out"});
    EXPECT_EQ(result.status, 1);
    EXPECT_THAT(result.err, HasSubstr("out/Readme: 'README' and 'Readme' are one name here; left"));
    EXPECT_THAT(result.err, HasSubstr("out/d: 'D' and 'd' are one name here; left out, with all "));
    EXPECT_THAT(result.err, HasSubstr("cim: app.cim: out/a:b: "));
    EXPECT_THAT(result.err, HasSubstr("cim: app.cim: out/link: "));
    EXPECT_THAT(result.err, HasSubstr("cim: app.cim: out/zz: hard link to second: "));
    EXPECT_THAT(result.err, HasSubstr("cim: app.cim: extracted with 5 warnings\n"));
    EXPECT_EQ(read("out/README"), "README");
    EXPECT_EQ(read("out/zz"), "zz");
  }
}

TEST_F(ExtractCommand, NamesBothFilesWhereComposedLettersAreTheirParts) {
  const std::string composed = "\u00e9";
  const std::string parts = "e\u0301";
  write("src/" + composed, "composed");
  write("src/" + parts, "parts");
  succeed({"create", "app.cim", "src"});
  const Disk disk(path("disk"), path("out"),
                  {"mkfs.ext4", "-q", "-O", "casefold", "-E", "encoding=utf8"}, "ext4");
  if (!disk.mounted()) GTEST_SKIP() << "the kernel cannot mount ext4 with casefold";
  fs::create_directory(path("out/folded"));
  ASSERT_TRUE(Disk::runs({"chattr", "+F", path("out/folded")}));
  const Result result = cim({"extract", "app.cim", "out/folded"});
  EXPECT_EQ(result.status, 1);
  EXPECT_THAT(result.err, HasSubstr("'" + parts + "' and '" + composed + "' are one name here"));
  EXPECT_EQ(read("out/folded/" + composed), "parts");
}

TEST_F(ExtractCommand, PutsStreamsIntoFilesIfAskedTo) {
  write("src/file", "main");
  succeed({"create", "app.cim", "src"});
  {
    Writer::Options options;
    options.directory = directory();
    options.existing = "app.cim";
    Writer writer(options);
    writer.create_named_stream(u"file", u"large", 100'000);
    writer.commit();
  }
  const Result result = cim({"extract", "app.cim", "without"});
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.err,
            "cim: app.cim: without/file: alternate stream large is too large for an extended "
            "attribute; left out\n"
            "cim: app.cim: extracted with 1 warning\n");
  EXPECT_EQ(read("without/file"), "main");
  succeed({"extract", "--streams=files", "app.cim", "with"});
  EXPECT_EQ(fs::file_size(path("with/file:large")), 100'000U);
  EXPECT_EQ(cim({"extract", "--streams=maybe", "app.cim", "out"}).status, 2);
}

TEST_F(ExtractCommand, DropsTheRightsOfAnOwnerThatItCannotKeep) {
  if (geteuid() != 0) GTEST_SKIP() << "only root can store files of others";
  write("src/tool", "x");
  ASSERT_EQ(chmod(path("src/tool").c_str(), 06755), 0);
  succeed({"create", "app.cim", "src"});
  EXPECT_EQ(cim_as_nobody({"extract", "app.cim", "out"}).err, "");
  struct stat status = {};
  ASSERT_EQ(stat(path("out/tool").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0755U);
}

// Each call that changes something is struck, one after the other.
class ExtractFaults : public CliTest, public testing::WithParamInterface<Strike> {
 protected:
  ExtractFaults() {
    write("src/d/large", std::string(150000, 'l'));
    write("src/d/small", "small");
    write("src/z", std::string(100000, 'z'));
    fs::create_hard_link(path("src/z"), path("src/d/zz"));
    fs::permissions(path("src/d/large"), fs::perms(0640));
    fs::permissions(path("src/d/small"), fs::perms(0604));
    fs::permissions(path("src/z"), fs::perms(0644));
    fs::permissions(path("src/d"), fs::perms(0751));
    fs::permissions(path("src"), fs::perms(0715));
    EXPECT_EQ(cim({"create", "app.cim", "src"}).status, 0);
  }

  // Runs cim extract with call `number` struck. Returns whether there was such a call.
  bool strike(int number) {
    fs::remove(path("log"));
    fs::remove_all(path("out"));
    const FileFault fault(GetParam(), number, path("log"));
    result_ = cim({"extract", "app.cim", "out"});
    return read("log").find("fault\n") != std::string::npos;
  }

  bool was_interrupted() const {
    return result_.err == "cim: out: interrupted; the same command again completes it\n";
  }

  // A killed program leaves such a file where it cannot write to one without a name.
  bool may_be_left(const std::string& file) const {
    return GetParam().kind == "kill" && !GetParam().has_tmpfile && file.ends_with(".tmp");
  }

  // Expects that nothing in out/ is half made.
  void expect_whole_files() const {
    expect_equal(path("src"), path("out"));
    for (const auto& entry : fs::recursive_directory_iterator(path("out"))) {
      const std::string file = entry.path().lexically_relative(path("out")).string();
      if (may_be_left(file)) continue;
      if (fs::is_regular_file(entry.path())) {
        EXPECT_EQ(read("out/" + file), read("src/" + file)) << file;
      }
      expect_equal(path("src/" + file), entry.path());
    }
  }

  static void expect_equal(const fs::path& source, const fs::path& copy) {
    EXPECT_EQ(fs::status(copy).permissions(), fs::status(source).permissions()) << copy;
  }

  Result result_;
};

TEST_P(ExtractFaults, NothingIsHalfMadeAndTheNextRunCompletesIt) {
  bool was_interrupted_once = false;
  for (int number = 1; strike(number); ++number) {
    SCOPED_TRACE(number);
    was_interrupted_once = was_interrupted_once || was_interrupted();
    expect_whole_files();
    {
      const Environment no_tmpfile("FILE_FAULTS_NO_TMPFILE", "1");
      std::optional<test::Preload> preload;
      if (!GetParam().has_tmpfile) preload.emplace(std::getenv("FILE_FAULTS"));
      succeed({"extract", "app.cim", "out"});
    }
    EXPECT_EQ(cim({"diff", "app.cim", "out"}).out, "");
  }
  EXPECT_EQ(result_.status, 0);
  EXPECT_EQ(was_interrupted_once, GetParam().kind == "interrupt");
}

INSTANTIATE_TEST_SUITE_P(Kinds, ExtractFaults,
                         testing::Values(Strike{"ENOSPC", true}, Strike{"interrupt", true},
                                         Strike{"kill", true}, Strike{"ENOSPC", false},
                                         Strike{"interrupt", false}, Strike{"kill", false}),
                         [](const auto& strike) { return name_of(strike.param); });

}  // namespace
}  // namespace cim::cli
