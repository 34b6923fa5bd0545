// What the tests of mounts share.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <cim/image.h>
#include <cim/writer.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "mount/program.h"
#include "support/temporary_directory.h"

namespace cim::test {

// A test with a directory for images and mount points of its own. At the end, whatever is still
// mounted there is unmounted. Skipped where nothing can be mounted.
class MountTest : public testing::Test {
 protected:
  MountTest() = default;
  ~MountTest() override;
  void SetUp() override;

  std::string image_path(const std::string& name = "a.cim") const { return images_ / name; }

  // Options for a Writer: of a new image; of one that extends the image `name`; of a fork of it.
  Writer::Options fresh(const std::string& name = "a.cim") const;
  Writer::Options extending(const std::string& name = "a.cim") const;
  Writer::Options forking(const std::string& from, const std::string& to) const;

  // A new empty directory apart from the images.
  std::string make_directory(const std::string& name = "mount") const;

  // Mounts the image `name` in a new directory and returns that.
  std::string mount(const std::string& name = "a.cim",
                    const std::vector<std::string>& options = {});

  // The same for the image that `build` makes with the Writer that it is given. Returns the
  // directory with a trailing `/`.
  template <typename Build>
  std::string mount_of(Build&& build, const std::vector<std::string>& options = {}) {
    Writer writer(fresh());
    build(writer);
    writer.commit();
    return mount("a.cim", options) + "/";
  }

  // Runs the daemon with `arguments` under the name `program`: `cimfs` or `mount.cimfs`.
  ProgramResult run_daemon(const std::vector<std::string>& arguments,
                           const std::string& program = "cimfs") const;

  // A directory that holds the daemon under the names `cimfs` and `mount.cimfs`.
  std::string daemon_directory() const { return programs_.string(); }

 private:
  TemporaryDirectory images_;
  TemporaryDirectory mount_points_;
  TemporaryDirectory programs_;
};

// The daemon in the foreground, as a child process. Killed when destroyed.
class ForegroundDaemon {
 public:
  // Starts it and waits until the image is mounted or the daemon has ended, which is a test failure
  // unless it `may_fail`.
  ForegroundDaemon(const std::string& image, const std::string& mount_point,
                   const std::vector<std::string>& options = {}, bool may_fail = false);
  ForegroundDaemon(const ForegroundDaemon&) = delete;
  ForegroundDaemon& operator=(const ForegroundDaemon&) = delete;
  ~ForegroundDaemon();

  pid_t pid() const noexcept { return pid_; }
  void signal(int number) const;
  bool has_ended() const;

  // Waits for its end. Returns its exit status; -1 if it does not end.
  int wait();

 private:
  pid_t pid_;
};

// Waits until `done`, some minutes at most. Returns whether it was.
bool wait_until(const std::function<bool()>& done);

// Waits until a process is idle, some minutes at most: between two looks, all its threads except
// the caller have only slept. Returns whether it was.
bool wait_until_idle(pid_t process);

// How many threads of a process are waiting for a disk.
std::ptrdiff_t threads_that_wait_for_a_disk(pid_t process);

// Whether something is mounted at `mount_point`.
bool is_mounted(const std::string& mount_point);

// The content of the file at `path`; a test failure if it cannot be read.
std::string read_file(const std::string& path);

// How many of the first `limit` bytes of the file at `path` are in the page cache. Reads none.
std::size_t cached_bytes(const std::string& path, std::size_t limit);

// Whether the first page of the file at `path` is in the page cache.
bool is_cached(const std::string& path);

// Drops the file at `path` from the page cache, except pages in use.
void drop_cached(const std::string& path);

// The region files of the given type of the image at `image`.
std::vector<std::string> region_paths(const std::string& image, RegionType type);

// lstat(2); a test failure if it fails.
struct stat status_of(const std::string& path);

// The names of the entries of the directory at `path`, without dots, sorted.
std::vector<std::string> list_directory(const std::string& path);

// The extended attribute `name` of the file at `path`, or "(none)"; the sorted names of all that
// are listed.
std::string xattr(const std::string& path, const char* name);
std::vector<std::string> xattr_names(const std::string& path);

// `size` bytes that do not repeat.
std::string random_content(std::size_t size);

// Creates a file, directory or whatever else `mode` says, as a Linux tool would.
void put_linux(Writer& writer, std::u16string_view path, mode_t mode,
               std::string_view content = {});

}  // namespace cim::test
