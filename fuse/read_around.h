// Reads small files from the disk together with their neighbours.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include <cim/image.h>

namespace cim {

// A disk reads a hundred kilobytes in about the time of four, and whoever reads one small file is
// likely to read its neighbours, in whatever order. So the system is asked for the block around a
// small file; once two blocks of an area of eight were wanted, for the whole area; and so on. The
// total is a bounded multiple of the blocks that were wanted, and a tree that is read as a whole is
// soon in the page cache. When a large file is read in order, its next part is asked for.
//
// Thread-safe, without locks.
class ReadAround {
 public:
  // Files up to this size, in bytes, are small.
  static constexpr std::uint64_t max_small_file = 512 * 1024;

  // Call before reading `length` bytes at `position` of `stream`, the data of a small file. Returns
  // whether the read may have to wait for the disk. Throws Error.
  bool prepare(const Image& image, const Stream& stream, std::uint64_t position,
               std::uint64_t length);

  // Call before reading `extent` for a request so large that only the kernel's read-ahead makes it,
  // for somebody who reads in order. `rest` bytes of the file follow it.
  void prepare_next(const Extent& extent, std::uint64_t rest) noexcept;

 private:
  // The blocks of one size that were noted last, one per slot. A forgotten block may be asked for
  // again; one that has left the page cache since is read without its neighbours.
  class Blocks {
   public:
    // `number` counts blocks from the beginning of the file.
    bool contains(int fd, std::uint64_t number) const noexcept;

    // Returns whether the block is new.
    bool insert(int fd, std::uint64_t number) noexcept;

   private:
    static constexpr std::size_t slot_count = 4096;

    static std::size_t slot_of(int fd, std::uint64_t number) noexcept;

    std::array<std::atomic<std::uint64_t>, slot_count> slots_ = {};
  };

  static constexpr unsigned levels = 3;

  bool ask_around(const Extent& extent) noexcept;
  bool ask_around(int fd, std::uint64_t small_block) noexcept;

  std::array<Blocks, levels> asked_;       // the blocks that were asked for
  std::array<Blocks, levels - 1> wanted_;  // above the first level: those of which a part was
  Blocks asked_next_;                      // those that prepare_next() asked for
};

}  // namespace cim
