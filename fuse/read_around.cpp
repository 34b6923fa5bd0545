#include "read_around.h"

#include <algorithm>

#include <fcntl.h>

namespace cim {
namespace {

// A block of one level is eight blocks of the level below.
constexpr std::uint64_t small_block_size = 128 * 1024;
constexpr unsigned level_shift = 3;

constexpr std::uint64_t next_block_size = 4 << 20;

// Of an executable with more parts than this, only the first are asked for.
constexpr int max_parts = 64;

std::uint64_t block_size(unsigned level) noexcept {
  return small_block_size << (level * level_shift);
}

void ask_for(int fd, std::uint64_t begin, std::uint64_t end) noexcept {
  posix_fadvise(fd, static_cast<off_t>(begin), static_cast<off_t>(end - begin),
                POSIX_FADV_WILLNEED);
}

// The key of a block of a file; never 0, the key of an empty slot.
std::uint64_t key_of(int fd, std::uint64_t number) noexcept {
  constexpr unsigned fd_shift = 48;
  return (static_cast<std::uint64_t>(fd) << fd_shift) + number + 1;
}

}  // namespace

// Differs between files: reads alternate between them, often at equal positions.
std::size_t ReadAround::Blocks::slot_of(int fd, std::uint64_t number) noexcept {
  return (number + static_cast<unsigned>(fd)) % slot_count;
}

bool ReadAround::Blocks::contains(int fd, std::uint64_t number) const noexcept {
  return slots_[slot_of(fd, number)].load(std::memory_order_relaxed) == key_of(fd, number);
}

bool ReadAround::Blocks::insert(int fd, std::uint64_t number) noexcept {
  const std::uint64_t key = key_of(fd, number);
  return slots_[slot_of(fd, number)].exchange(key, std::memory_order_relaxed) != key;
}

// Returns whether it asked for anything.
bool ReadAround::ask_around(int fd, std::uint64_t small_block) noexcept {
  const auto number = [small_block](unsigned level) { return small_block >> level * level_shift; };
  for (unsigned level = 0; level < levels; ++level) {
    if (asked_[level].contains(fd, number(level))) return false;
  }
  unsigned level = 0;
  while (level < wanted_.size() && !wanted_[level].insert(fd, number(level + 1))) ++level;
  asked_[level].insert(fd, number(level));
  const std::uint64_t begin = number(level) * block_size(level);
  ask_for(fd, begin, begin + block_size(level));
  return true;
}

bool ReadAround::prepare(const Image& image, const Stream& stream, std::uint64_t position,
                         std::uint64_t length) {
  if (stream.length > max_small_file) return true;
  bool has_asked = false;
  for (int parts = 0; parts < max_parts && length > 0; ++parts) {
    const Extent part = image.extent(stream, position, length);
    if (part.length == 0) break;
    has_asked |= ask_around(part);
    position += part.length;
    length -= part.length;
  }
  return has_asked;
}

bool ReadAround::ask_around(const Extent& extent) noexcept {
  if (extent.fd < 0) return false;
  bool has_asked = false;
  const std::uint64_t last = (extent.position + extent.length - 1) / small_block_size;
  for (std::uint64_t block = extent.position / small_block_size; block <= last; ++block) {
    has_asked |= ask_around(extent.fd, block);
  }
  return has_asked;
}

void ReadAround::prepare_next(const Extent& extent, std::uint64_t rest) noexcept {
  const std::uint64_t position = extent.position + extent.length;
  const std::uint64_t file_end = position + rest;
  const std::uint64_t first = position / next_block_size;
  for (std::uint64_t block = first; block <= first + 1 && block * next_block_size < file_end;
       ++block) {
    if (!asked_next_.insert(extent.fd, block)) continue;
    ask_for(extent.fd, std::max(block * next_block_size, extent.position),
            std::min((block + 1) * next_block_size, file_end));
  }
}

}  // namespace cim
