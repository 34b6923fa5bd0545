// Reads small files from the disk together with their neighbours.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include <cim/image.h>

namespace cim {

// A disk reads a hundred kilobytes in about the time of four, and whoever reads one small file is
// likely to read others that are stored beside it, in whatever order. So what is around a small
// file is asked of the system with it: a block, once two blocks of an area of eight were wanted the
// area, and so on. What is asked for is thus a bounded multiple of the blocks that were wanted, and
// a tree that is read as a whole is soon in memory. Of a large file that is read in order, what
// comes next is asked for.
//
// Thread-safe, without locks.
class ReadAround {
 public:
  // Files up to this size, in bytes, are small.
  static constexpr std::uint64_t max_small_file = 512 * 1024;

  // To be called before `length` bytes of `stream`, the data of a small file, are read from
  // `position` on. Returns whether the disk may have to be waited for. Throws Error.
  bool prepare(const Image& image, const Stream& stream, std::uint64_t position,
               std::uint64_t length);

  // To be called before `extent` is read by a request as large as only the kernel's own read-ahead
  // makes, so by somebody who reads in order. `rest` bytes of the file follow it.
  void prepare_next(const Extent& extent, std::uint64_t rest) noexcept;

 private:
  // Which blocks of one size were noted last, one a slot. What has been forgotten may be asked for
  // again, and what has left the page cache since is read without its neighbours.
  class Blocks {
   public:
    // `number` counts blocks from the beginning of the file.
    bool contains(int fd, std::uint64_t number) const noexcept;

    // Returns whether the block was not there.
    bool insert(int fd, std::uint64_t number) noexcept;

   private:
    static constexpr std::size_t slot_count = 4096;

    static std::size_t slot_of(int fd, std::uint64_t number) noexcept;

    std::array<std::atomic<std::uint64_t>, slot_count> slots_ = {};
  };

  static constexpr unsigned levels = 3;

  bool ask_around(const Extent& extent) noexcept;
  bool ask_around(int fd, std::uint64_t small_block) noexcept;

  std::array<Blocks, levels> asked_;       // what the system was asked for
  std::array<Blocks, levels - 1> wanted_;  // of the levels above the first: what a part was of
  Blocks asked_next_;                      // by prepare_next()
};

}  // namespace cim
