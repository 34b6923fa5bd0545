// Executables (PE images) as Windows stores them: their sections moved apart, so that each starts
// at a page and can be mapped from where it is. May be called from many threads at once.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <cim/metadata.h>

#include "format/layout.h"

namespace cim::format {

// The headers of an executable, with its section table, are looked for in as many bytes at the
// beginning of a file.
inline constexpr std::size_t max_pe_head = 64 * 1024;

// How many bytes at the beginning of a file pe_layout() needs, at most max_pe_head, as far as
// `head`, the first of them, tells: ask again once there are as many. Nothing if no executable
// starts like this.
std::optional<std::size_t> pe_head_length(ByteView head);

// How an executable is stored.
struct PeLayout {
  std::uint64_t stored_length;           // bytes, those between the sections included
  std::uint32_t image_length;            // bytes of memory that it takes
  std::vector<PeImageMapping> mappings;  // by file offset
};

// How to store the file of `file_length` bytes that starts with `head`, of which there must be as
// many bytes as pe_head_length() says, or all of the file. Nothing if it is not a sound executable
// for Windows to map, or if it would be stored as it is. Takes time by the number of sections, of
// which a head can hold about 1,600.
std::optional<PeLayout> pe_layout(ByteView head, std::uint64_t file_length);

// A part of an executable that is stored without a gap.
struct PePart {
  std::uint64_t position;  // of its first byte in the stored data
  std::uint64_t length;    // bytes
};

// Where the bytes of the file from `offset` on are, the first of them, at most `length`, which is 1
// or more; `mappings` are the bytes of an array of PeImageMapping. Whatever those hold, the part
// has between 1 and `length` bytes.
PePart find_pe_part(ByteView mappings, std::uint64_t offset, std::uint64_t length);

}  // namespace cim::format
