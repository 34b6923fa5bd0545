#include "read_around.h"

#include <algorithm>

#include <fcntl.h>

namespace cim {
namespace {

constexpr std::uint64_t small_block = 128 * 1024;
constexpr std::uint64_t large_block = 4 << 20;

void ask_for(int fd, std::uint64_t begin, std::uint64_t end) noexcept {
  posix_fadvise(fd, static_cast<off_t>(begin), static_cast<off_t>(end - begin),
                POSIX_FADV_WILLNEED);
}

}  // namespace

// Whether the block has not been asked for lately. Takes it that it is now.
bool ReadAround::is_new(int fd, std::uint64_t block_size, std::uint64_t block) noexcept {
  constexpr unsigned fd_shift = 48;
  const std::uint64_t key =
      (static_cast<std::uint64_t>(fd) << fd_shift | block * block_size) + block_size;
  std::atomic<std::uint64_t>& slot = asked_[(block + static_cast<unsigned>(fd)) % asked_.size()];
  if (slot.load(std::memory_order_relaxed) == key) return false;
  slot.store(key, std::memory_order_relaxed);
  return true;
}

void ReadAround::prepare(const Extent& extent) noexcept {
  if (extent.fd < 0 || extent.length == 0) return;
  const std::uint64_t last = (extent.position + extent.length - 1) / small_block;
  for (std::uint64_t block = extent.position / small_block; block <= last; ++block) {
    if (!is_new(extent.fd, small_block, block)) continue;
    ask_for(extent.fd, block * small_block, (block + 1) * small_block);
  }
}

void ReadAround::prepare_next(const Extent& extent, std::uint64_t rest) noexcept {
  const std::uint64_t position = extent.position + extent.length;
  const std::uint64_t file_end = position + rest;
  const std::uint64_t first = position / large_block;
  for (std::uint64_t block = first; block <= first + 1 && block * large_block < file_end; ++block) {
    if (!is_new(extent.fd, large_block, block)) continue;
    ask_for(extent.fd, std::max(block * large_block, extent.position),
            std::min((block + 1) * large_block, file_end));
  }
}

}  // namespace cim
