// cim cp and mv: whole images, in one piece.
#include <map>

#include <boost/filesystem.hpp>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "cli_test.h"
#include "faults.h"
#include "image/file_descriptor.h"

namespace cim::cli {
namespace {

namespace fs = boost::filesystem;

using Files = std::map<std::string, std::string>;  // contents by name

class CopyCommands : public CliTest {
 protected:
  // base.cim, and fork.cim, which builds on it.
  CopyCommands() {
    write("tree/file", std::string(70000, 'b'));
    write("change/file", std::string(70000, 'f'));
    fs::create_directory(path("images"));
    fs::create_directory(path("other"));
    succeed({"create", "images/base.cim", "tree"});
    succeed({"create", "images/fork.cim", "change", "--from", "images/base.cim"});
  }

  Files contents(const std::string& name) const {
    Files files;
    for (const auto& entry : fs::directory_iterator(path(name))) {
      const std::string file = entry.path().filename().string();
      files[file] = read(name + "/" + file);
    }
    return files;
  }

  bool is_intact(const std::string& image) const {
    return cim({"check", "--data", image}).status == 0;
  }

  // Holds the lock of a daemon that has mounted the image.
  FileDescriptor mounted(const std::string& image) const {
    FileDescriptor fd(open(path(image).c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_EQ(flock(fd.get(), LOCK_SH), 0);
    return fd;
  }

  // The same files as in images/, but not the same inodes.
  void copy_images(const std::string& name) const {
    fs::remove_all(path(name));
    fs::create_directory(path(name));
    for (const auto& [file, content] : contents("images")) write(name + "/" + file, content);
  }
};

TEST_F(CopyCommands, CopyTakesAllFilesThatTheImageNeeds) {
  const Files before = contents("images");
  succeed({"cp", "images/fork.cim", "other"});
  EXPECT_EQ(contents("images"), before);
  Files expected = before;
  expected.erase("base.cim");
  EXPECT_EQ(contents("other"), expected);
  EXPECT_TRUE(is_intact("other/fork.cim"));

  succeed({"cp", "images/base.cim", "other/new-name.cim"});
  expected["new-name.cim"] = before.at("base.cim");
  EXPECT_EQ(contents("other"), expected);
}

TEST_F(CopyCommands, ACopyInTheSameDirectorySharesAllFiles) {
  Files expected = contents("images");
  succeed({"cp", "images/fork.cim", "images/copy.cim"});
  expected["copy.cim"] = expected.at("fork.cim");
  EXPECT_EQ(contents("images"), expected);
}

TEST_F(CopyCommands, MoveWithinADirectoryRenames) {
  Files expected = contents("images");
  succeed({"mv", "images/fork.cim", "images/renamed.cim"});
  expected["renamed.cim"] = expected.at("fork.cim");
  expected.erase("fork.cim");
  EXPECT_EQ(contents("images"), expected);
}

TEST_F(CopyCommands, MoveLeavesWhatOthersNeed) {
  const Files before = contents("images");
  succeed({"mv", "images/fork.cim", "other/"});
  EXPECT_TRUE(is_intact("images/base.cim"));
  EXPECT_TRUE(is_intact("other/fork.cim"));
  EXPECT_EQ(cim({"gc", "--dry-run", "images"}).out, "");
  EXPECT_LT(contents("images").size(), before.size());

  succeed({"mv", "images/base.cim", "other"});
  EXPECT_EQ(contents("images"), Files());
  EXPECT_EQ(contents("other"), before);
}

TEST_F(CopyCommands, MoveToAnotherFileSystemCopies) {
  const test::TemporaryDirectory shared_memory = [] {
    const Environment directory("TMPDIR", "/dev/shm");
    return test::TemporaryDirectory();
  }();
  struct stat here;
  struct stat there;
  ASSERT_EQ(stat(directory().c_str(), &here), 0);
  ASSERT_EQ(stat(shared_memory.string().c_str(), &there), 0);
  if (here.st_dev == there.st_dev) GTEST_SKIP() << "/dev/shm is no other file system";
  fs::permissions(path("images/fork.cim"), fs::perms(0604));
  fs::last_write_time(path("images/fork.cim"), 1000);
  const Files before = contents("images");
  succeed({"mv", "images/fork.cim", shared_memory.string()});
  EXPECT_TRUE(is_intact(shared_memory / "fork.cim"));
  EXPECT_EQ(fs::status(shared_memory / "fork.cim").permissions(), fs::perms(0604));
  EXPECT_EQ(fs::last_write_time(shared_memory / "fork.cim"), 1000);
  succeed({"mv", shared_memory / "fork.cim", "images"});
  EXPECT_EQ(contents("images"), before);
  EXPECT_TRUE(fs::is_empty(shared_memory.path()));
}

TEST_F(CopyCommands, NothingIsOverwrittenWithoutForce) {
  succeed({"create", "other/fork.cim"});
  const Files images = contents("images");
  const Files other = contents("other");
  for (const char* command : {"cp", "mv"}) {
    EXPECT_EQ(fail({command, "images/fork.cim", "other"}), "cim: other/fork.cim: exists already");
    EXPECT_EQ(fail({command, "images/fork.cim", "images/base.cim"}),
              "cim: images/base.cim: exists already");
    EXPECT_EQ(cim({command, "-f", "images/fork.cim", "images/fork.cim"}).status, 1);
  }
  EXPECT_EQ(contents("images"), images);
  EXPECT_EQ(contents("other"), other);
}

TEST_F(CopyCommands, ForceReplacesAnImageWithItsFiles) {
  Files expected = contents("images");
  succeed({"create", "other/fork.cim", "tree", "--owner", "7"});
  succeed({"cp", "-f", "images/fork.cim", "other"});
  expected.erase("base.cim");
  EXPECT_EQ(contents("other"), expected);
  succeed({"mv", "--force", "images/base.cim", "other/fork.cim"});
  EXPECT_TRUE(is_intact("other/fork.cim"));
  EXPECT_EQ(cim({"gc", "--dry-run", "other"}).out, "");
  EXPECT_TRUE(is_intact("images/fork.cim"));
}

TEST_F(CopyCommands, AMountedImageIsCopiedButNeitherMovedNorReplaced) {
  {
    const FileDescriptor mount = mounted("images/fork.cim");
    EXPECT_EQ(fail({"mv", "images/fork.cim", "other"}), "cim: images/fork.cim: is mounted");
    EXPECT_EQ(fail({"cp", "-f", "images/base.cim", "images/fork.cim"}),
              "cim: images/fork.cim: is mounted");
    succeed({"cp", "images/fork.cim", "other"});
  }
  EXPECT_TRUE(is_intact("images/fork.cim"));
  EXPECT_TRUE(is_intact("other/fork.cim"));
}

TEST_F(CopyCommands, ARegionFileWithOtherContentIsNotUsed) {
  succeed({"cp", "images/base.cim", "other"});
  for (const auto& [name, content] : contents("other")) {
    if (name.starts_with("region_")) write("other/" + name, content + "x");
  }
  const Files before = contents("other");
  for (const char* command : {"cp", "mv"}) {
    const std::string message = fail({command, "images/fork.cim", "other"});
    EXPECT_NE(message.find("exists already and differs from "), std::string::npos) << message;
  }
  EXPECT_EQ(contents("other"), before);
}

TEST_F(CopyCommands, ACopyIsNotReadableForMoreUsersThanTheImage) {
  for (const auto& [name, content] : contents("images")) {
    fs::permissions(path("images/" + name), fs::perms(0600));
  }
  succeed({"cp", "images/fork.cim", "other"});
  for (const auto& [name, content] : contents("other")) {
    EXPECT_EQ(fs::status(path("other/" + name)).permissions(), fs::perms(0600)) << name;
  }
}

TEST_F(CopyCommands, LinksAreFollowedByCopiesAndNotMoved) {
  fs::create_symlink("../images/fork.cim", path("other/link.cim"));
  succeed({"cp", "other/link.cim", "other/copy.cim"});
  EXPECT_TRUE(is_intact("other/copy.cim"));
  EXPECT_EQ(fail({"mv", "other/link.cim", "other/moved.cim"}),
            "cim: other/link.cim: is a symbolic link; move the image that it leads to");
}

TEST_F(CopyCommands, WhatCannotBeCopiedIsNamed) {
  write("text.cim", "no image, but longer than the header of one, which is all that matters here");
  EXPECT_NE(fail({"cp", "text.cim", "other"}).find("text.cim: is not part of a composite image"),
            std::string::npos);
  EXPECT_EQ(fail({"cp", "images/no.cim", "other"}),
            "cim: images/no.cim: No such file or directory");
  EXPECT_NE(fail({"mv", "images/fork.cim", "missing/"}).find("missing/: no such directory"),
            std::string::npos);
  EXPECT_TRUE(fs::is_empty(path("other")));
}

TEST_F(CopyCommands, AnImageWithoutOneOfItsFilesIsNotCopied) {
  for (const auto& [name, content] : contents("images")) {
    if (name.starts_with("objectid_")) fs::remove(path("images/" + name));
  }
  EXPECT_NE(fail({"cp", "images/fork.cim", "other"}).find(": No such file or directory"),
            std::string::npos);
  EXPECT_TRUE(fs::is_empty(path("other")));
}

// Each call that changes something is struck, one after the other.
class CopyFaults : public CopyCommands, public testing::WithParamInterface<const char*> {
 protected:
  CopyFaults() {
    if (std::getenv("FILE_FAULTS") == nullptr) throw std::runtime_error("FILE_FAULTS is not set");
  }

  // Runs cim with call `number` struck. Returns whether there was such a call.
  bool strike(int number, const std::vector<std::string>& arguments) {
    fs::remove(path("log"));
    const FileFault fault(GetParam(), number, path("log"));
    status_ = cim(arguments).status;
    return read("log").find("fault\n") != std::string::npos;
  }

  // After a SIGKILL, removes what that left.
  void tidy(const std::string& name) const {
    if (std::string(GetParam()) == "kill") succeed_silently({"gc", name});
  }

  int status_ = 0;

 private:
  void succeed_silently(const std::vector<std::string>& arguments) const {
    EXPECT_EQ(cim(arguments).status, 0);
  }
};

TEST_P(CopyFaults, ACopyIsCompleteOrNotThere) {
  const Files images = contents("images");
  Files copied = images;
  copied.erase("base.cim");
  for (int number = 1; strike(number, {"cp", "images/fork.cim", "other"}); ++number) {
    SCOPED_TRACE(number);
    tidy("other");
    EXPECT_EQ(contents("images"), images);
    const bool is_there = fs::exists(path("other/fork.cim"));
    EXPECT_EQ(contents("other"), is_there ? copied : Files());
    EXPECT_TRUE(is_there || status_ != 0);
    fs::remove_all(path("other"));
    fs::create_directory(path("other"));
  }
  EXPECT_EQ(status_, 0);
}

TEST_P(CopyFaults, AMovedImageIsAlwaysComplete) {
  const Files images = contents("images");
  copy_images("from");
  Files moved = images;
  moved.erase("base.cim");
  for (int number = 1; strike(number, {"mv", "from/fork.cim", "other"}); ++number) {
    SCOPED_TRACE(number);
    tidy("from");
    tidy("other");
    const bool is_left = fs::exists(path("from/fork.cim"));
    const bool is_there = fs::exists(path("other/fork.cim"));
    EXPECT_TRUE(is_left || is_there);
    if (is_left) {
      EXPECT_EQ(contents("from"), images);
    } else {
      EXPECT_TRUE(is_intact("from/base.cim"));
    }
    EXPECT_EQ(contents("other"), is_there ? moved : Files());
    copy_images("from");
    fs::remove_all(path("other"));
    fs::create_directory(path("other"));
  }
  EXPECT_EQ(status_, 0);
}

INSTANTIATE_TEST_SUITE_P(Kinds, CopyFaults, testing::Values("ENOSPC", "interrupt", "kill"),
                         [](const auto& kind) { return std::string(kind.param); });

}  // namespace
}  // namespace cim::cli
