// Reads objects in files, but not their holes. May be called from many threads at once.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include <cim/metadata.h>

#include "image/digest.h"

namespace cim {

// The `length` bytes from byte `start` on of the open file `fd`, which `path` names in errors; if
// `fd` is -1, those at `bytes`.
struct FilePart {
  int fd;
  std::uint64_t start;
  std::uint64_t length;
  const std::string& path;
  const std::byte* bytes = nullptr;

  // The first offset at or after `offset` where there is data, or a hole; `length` if there is
  // none. If the file system cannot tell, all is data.
  std::uint64_t next_data(std::uint64_t offset) const noexcept;
  std::uint64_t next_hole(std::uint64_t offset) const noexcept;

  // Fills `out` from `offset` on. Throws Error, also if the file ends too early.
  void read(std::uint64_t offset, std::span<std::byte> out) const;
};

// Is told how many bytes have been dealt with since the last call, holes included.
using Progress = std::function<void(std::uint64_t bytes)>;
inline void ignore_progress(std::uint64_t) {}

// Reads what is not in holes, in order, in chunks of whole blocks of 4096 bytes, counted from the
// start of the part; the last may be shorter. Throws Error.
using TakeChunk = std::function<void(std::uint64_t offset, ByteView chunk)>;
void read_data(const FilePart& part, const TakeChunk& take, const Progress& progress);

// Whether two parts have the same length and the same bytes; holes in both are not read. Throws
// Error.
bool have_equal_data(const FilePart& a, const FilePart& b);

// How many bytes are in holes.
std::uint64_t bytes_in_holes(const FilePart& part) noexcept;

// An object with more bytes than this in blocks of 4096 zeros has the digest of its other blocks:
// that of all its bytes could take hours. Whether the zeros are a hole does not matter, so the same
// file makes the same image on a file system without holes. Other writers digest all bytes of every
// object.
inline constexpr std::uint64_t max_digested_zeros = std::uint64_t{64} << 20;

// The digests of an object: of all its bytes, and of its blocks that are not all zeros and their
// offsets. Throw Error.
Digest digest_of_bytes(const FilePart& object, const Progress& progress = ignore_progress);
Digest digest_of_blocks(const FilePart& object, const Progress& progress = ignore_progress);

}  // namespace cim
