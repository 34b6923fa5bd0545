// Reads small files from the disk together with their neighbours.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include <cim/image.h>

namespace cim {

// A disk reads a hundred kilobytes in about the time of four, and whoever reads one small file is
// likely to read others that are stored beside it, in whatever order. So what is around a small
// file is asked of the system with it, and of a large file that is read in order what comes next.
// Thread-safe, without locks.
class ReadAround {
 public:
  // Files up to this size, in bytes, are small.
  static constexpr std::uint64_t max_small_file = 64 * 1024;

  // To be called before `extent`, all of a small file, is read.
  void prepare(const Extent& extent) noexcept;

  // To be called before `extent` is read by a request as large as only the kernel's own read-ahead
  // makes, so by somebody who reads in order. `rest` bytes of the file follow it.
  void prepare_next(const Extent& extent, std::uint64_t rest) noexcept;

 private:
  bool is_new(int fd, std::uint64_t block_size, std::uint64_t block) noexcept;

  // The blocks that were asked for last, one a slot. What has left the page cache since is read
  // without its neighbours.
  std::array<std::atomic<std::uint64_t>, 4096> asked_ = {};
};

}  // namespace cim
