// Walks of directory trees that change.
#include "transfer/source_walk.h"

#include <boost/filesystem.hpp>
#include <cim/error.h>
#include <fcntl.h>
#include <gtest/gtest.h>

#include "support/temporary_directory.h"

namespace cim::transfer {
namespace {

namespace fs = boost::filesystem;

FileDescriptor open_directory(int parent, const char* name) {
  FileDescriptor fd(openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  EXPECT_TRUE(fd) << name;
  return fd;
}

TEST(SourceWalkTest, DoesNotGoUpToWhereADirectoryHasBeenMoved) {
  const test::TemporaryDirectory directory;
  const std::string source = directory / "source";
  std::string deep = source;
  for (int depth = 0; depth < 200; ++depth) deep += "/d";
  fs::create_directories(deep);
  fs::create_directory(directory / "elsewhere");

  const std::vector<std::string> exclude;
  SourceWalk walk(source, open_directory(AT_FDCWD, source.c_str()), exclude);
  for (int depth = 0; depth < 200; ++depth) {
    ASSERT_TRUE(walk.next());
    walk.enter(open_directory(walk.directory(), walk.name()));
  }
  fs::rename(source + "/d/d", directory / "elsewhere/d");
  std::string message;
  try {
    while (walk.next()) continue;
  } catch (const Error& error) {
    message = error.what();
  }
  EXPECT_EQ(message, source + "/d: a directory in it has been moved away");
}

}  // namespace
}  // namespace cim::transfer
