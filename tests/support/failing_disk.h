// A disk that can be made to fail.
#pragma once

#include <fstream>
#include <string>
#include <vector>

#include <boost/filesystem.hpp>
#include <fcntl.h>
#include <sys/mount.h>

#include "image/file_descriptor.h"
#include "mount/program.h"

namespace cim::test {

// A file system on a loop device, for root only. Unmounted when destroyed.
class FailingDisk {
 public:
  // Keeps the disk in the new file `disk` and mounts it at the directory `mount_point`.
  FailingDisk(const std::string& disk, const std::string& mount_point)
      : disk_(disk), mount_point_(mount_point) {
    std::ofstream(disk_).close();
    boost::filesystem::resize_file(disk_, 64 << 20);
    mounted_ = succeeds({"mkfs.ext4", "-q", "-F", disk_}) &&
               succeeds({"mount", "-o", "loop", disk_, mount_point_});
  }
  FailingDisk(const FailingDisk&) = delete;
  FailingDisk& operator=(const FailingDisk&) = delete;
  ~FailingDisk() {
    if (mounted_) umount2(mount_point_.c_str(), MNT_DETACH);
  }

  bool mounted() const { return mounted_; }

  // From now on only what is in memory can be read, and of `files` only the headers. Returns
  // whether that worked.
  bool fail(const std::vector<std::string>& files) const {
    if (!succeeds({"mount", "-o", "remount,ro", mount_point_})) return false;
    for (const std::string& file : files) {
      const FileDescriptor fd(open(file.c_str(), O_RDONLY | O_CLOEXEC));
      posix_fadvise(fd.get(), header_page, 0, POSIX_FADV_DONTNEED);
    }
    boost::filesystem::resize_file(disk_, header_page);
    return true;
  }

 private:
  static constexpr off_t header_page = 4096;

  static bool succeeds(const std::vector<std::string>& command) {
    const auto result = run_program(command);
    return result && result->exit_status == 0;
  }

  const std::string disk_;
  const std::string mount_point_;
  bool mounted_ = false;
};

}  // namespace cim::test
