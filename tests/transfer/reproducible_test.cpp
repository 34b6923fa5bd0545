// Equal trees make equal images, however and wherever they were made.
#include <algorithm>
#include <functional>

#include <boost/filesystem.hpp>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "image/file_descriptor.h"
#include "support/same_files.h"
#include "support/temporary_directory.h"
#include "transfer/import.h"
#include "tree.h"

namespace cim::transfer {
namespace {

namespace fs = boost::filesystem;
using test::expect_same_files;

using Steps = std::vector<std::function<void(const std::string&)>>;

void set_times(const std::string& directory) {
  std::vector<fs::path> paths = {directory};
  for (const auto& entry : fs::recursive_directory_iterator(directory)) paths.push_back(entry);
  for (const fs::path& path : paths) {
    const timespec time = {1000000000, 0};
    const timespec times[] = {time, time};
    ASSERT_EQ(0, utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW)) << path;
  }
}

// Writes zeros instead of making a hole.
void write_zeros(const std::string& path, std::uint64_t from, std::uint64_t to) {
  const FileDescriptor fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  const std::string zeros(1 << 20, '\0');
  for (std::uint64_t offset = from; offset < to; offset += zeros.size()) {
    const std::size_t size = std::min<std::uint64_t>(zeros.size(), to - offset);
    ASSERT_EQ(static_cast<ssize_t>(size),
              pwrite(fd.get(), zeros.data(), size, static_cast<off_t>(offset)));
  }
}

void write_at(const std::string& path, std::uint64_t offset, const std::string& text) {
  const FileDescriptor fd(open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644));
  ASSERT_EQ(static_cast<ssize_t>(text.size()),
            pwrite(fd.get(), text.data(), text.size(), static_cast<off_t>(offset)));
}

class Reproducible : public testing::Test {
 protected:
  // Makes a tree with `steps`, called one after the other with its path, and an image of it.
  // Returns the directory of the image.
  std::string image_of(const Steps& steps) {
    const std::string number = std::to_string(++images_);
    const std::string source = directory_ / "source" + number;
    const std::string images = directory_ / "images" + number;
    fs::create_directory(source);
    fs::create_directory(images);
    for (const auto& step : steps) step(source);
    set_times(source);
    make_image(images, "image.cim", source);
    return images;
  }

  const test::TemporaryDirectory directory_;
  int images_ = 0;
};

TEST_F(Reproducible, WhateverTheOrderInWhichFilesWereMade) {
  Steps steps;
  for (const char* name : {"b", "a", "Z", "\xff", "c"}) {
    steps.push_back(
        [name](const std::string& source) { fs::create_directory(source + "/" + name); });
  }
  for (int i = 0; i < 200; ++i) {
    steps.push_back([name = std::to_string(i * 7919 % 200)](const std::string& source) {
      write_file(source + "/" + name, std::string(name.size() == 3 ? 20000 : 10, name[0]));
    });
  }
  const std::string forward = image_of(steps);
  std::reverse(steps.begin(), steps.end());
  expect_same_files(forward, image_of(steps));
}

TEST_F(Reproducible, WhicheverNameOfAFileWasTheFirst) {
  const auto tree = [](const char* first, const char* second) {
    return Steps{[=](const std::string& source) {
      fs::create_directory(source + "/d");
      write_file(source + first, "linked");
      fs::create_hard_link(source + first, source + second);
      write_file(source + "/b", "other");
    }};
  };
  expect_same_files(image_of(tree("/a", "/d/z")), image_of(tree("/d/z", "/a")));
}

TEST_F(Reproducible, WhateverTheOrderOfExtendedAttributes) {
  const auto tree = [](std::vector<const char*> names) {
    return Steps{[=](const std::string& source) {
      write_file(source + "/file", "");
      for (const char* name : names) setxattr((source + "/file").c_str(), name, "value", 5, 0);
    }};
  };
  const std::string a = image_of(tree({"user.b", "user.a", "user.c"}));
  if (getxattr((directory_ / "source1/file").c_str(), "user.a", nullptr, 0) < 0) {
    GTEST_SKIP() << "the file system has no extended attributes";
  }
  expect_same_files(a, image_of(tree({"user.c", "user.a", "user.b"})));
}

TEST_F(Reproducible, WhetherZerosAreWrittenOrAHole) {
  // Longer than the part of a hole that is hashed at once; not every write starts at a block.
  constexpr std::uint64_t size = (std::uint64_t{70} << 20) + 1234;
  const std::string with_hole = image_of({[](const std::string& source) {
    write_at(source + "/large", 5000, "first");
    write_at(source + "/large", size - 4, "last");
    write_at(source + "/zeros", 0, "");
    fs::resize_file(source + "/zeros", size);
  }});
  const std::string without_hole = image_of({[](const std::string& source) {
    write_zeros(source + "/large", 0, size);
    write_at(source + "/large", 5000, "first");
    write_at(source + "/large", size - 4, "last");
    write_zeros(source + "/zeros", 0, size);
  }});
  expect_same_files(with_hole, without_hole);
}

TEST_F(Reproducible, WhateverTheMaskOfTheProcess) {
  const Steps steps = {[](const std::string& source) {
    write_file(source + "/file", "x");
    fs::permissions(source + "/file", fs::perms(0640));
    fs::permissions(source, fs::perms(0750));
  }};
  const mode_t before = umask(0);
  const std::string open_to_all = image_of(steps);
  umask(0077);
  const std::string closed = image_of(steps);
  umask(before);
  expect_same_files(open_to_all, closed);
}

}  // namespace
}  // namespace cim::transfer
