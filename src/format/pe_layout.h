// Executables (PE images) as Windows stores them: their sections moved apart, so that each starts
// at a page and can be mapped straight from the region file. May be called from many threads at
// once.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include <cim/metadata.h>

#include "format/layout.h"

namespace cim::format {

// An executable's headers, section table included, must be within this many bytes from its start.
inline constexpr std::size_t max_pe_head = 64 * 1024;

// How many bytes from the start of a file pe_layout() needs, at most max_pe_head, as far as the
// first few, `head`, tell: ask again with that many. Nothing if no executable starts like this.
std::optional<std::size_t> pe_head_length(ByteView head);

// How an executable is stored.
struct PeLayout {
  std::uint64_t stored_length;           // bytes, those between the sections included
  std::uint32_t image_length;            // bytes of memory that it takes
  std::vector<PeImageMapping> mappings;  // by file offset
};

// How to store the file of `file_length` bytes that starts with `head`, which must have as many
// bytes as pe_head_length() says, or be the whole file. Nothing if it is not a sound executable
// that Windows can map, or if it would be stored unchanged. Takes time proportional to the number
// of sections; a head can hold about 1,600.
std::optional<PeLayout> pe_layout(ByteView head, std::uint64_t file_length);

// A part of an executable that is stored without a gap.
struct PePart {
  std::uint64_t position;  // of its first byte in the stored data
  std::uint64_t length;    // bytes
};

// Where the bytes of the file from `offset` on are stored: the first contiguous part of them, at
// most `length` (1 or more) bytes. `mappings` are the bytes of an array of PeImageMapping; whatever
// they hold, the part has 1 to `length` bytes.
PePart find_pe_part(ByteView mappings, std::uint64_t offset, std::uint64_t length);

}  // namespace cim::format
