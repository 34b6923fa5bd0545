#include "format/pe_layout.h"

#include <algorithm>
#include <bit>
#include <cstddef>

#include "format/bytes.h"

namespace cim::format {

namespace {

// The headers that say where the sections are; see "PE Format" on learn.microsoft.com.
#pragma pack(push, 1)

struct DosHeader {
  std::uint16_t magic;
  std::uint8_t unused[58];
  std::uint32_t pe_header;  // where it starts
};
static_assert(sizeof(DosHeader) == 64);

struct PeHeader {
  std::uint32_t magic;
  std::uint16_t machine;
  std::uint16_t section_count;
  std::uint8_t unused[12];
  std::uint16_t optional_header_size;
  std::uint16_t characteristics;
};
static_assert(sizeof(PeHeader) == 24);
static_assert(offsetof(PeHeader, optional_header_size) == 20);

// What PE32 and PE32+ share of the optional header. Every executable has one.
struct OptionalHeader {
  std::uint16_t magic;
  std::uint8_t unused[30];
  std::uint32_t section_alignment;  // in memory
  std::uint32_t file_alignment;
  std::uint8_t unused2[16];
  std::uint32_t image_size;    // in memory
  std::uint32_t headers_size;  // from the beginning of the file
};
static_assert(sizeof(OptionalHeader) == 64);
static_assert(offsetof(OptionalHeader, section_alignment) == 32);
static_assert(offsetof(OptionalHeader, image_size) == 56);

struct SectionHeader {
  std::uint8_t name[8];
  std::uint32_t virtual_size;
  std::uint32_t virtual_address;
  std::uint32_t raw_size;  // in the file
  std::uint32_t raw_offset;
  std::uint8_t unused[16];
};
static_assert(sizeof(SectionHeader) == 40);
static_assert(offsetof(SectionHeader, raw_offset) == 20);

#pragma pack(pop)

constexpr std::uint16_t dos_magic = 0x5A4D;     // "MZ"
constexpr std::uint32_t pe_magic = 0x00004550;  // "PE", 0, 0
constexpr std::uint16_t pe32_magic = 0x10B;
constexpr std::uint16_t pe32_plus_magic = 0x20B;

// The size of the optional header without the data directories at its end.
constexpr std::uint16_t min_pe32_size = 96;
constexpr std::uint16_t min_pe32_plus_size = 112;

constexpr std::uint32_t sector_size = 512;
constexpr std::uint32_t max_file_alignment = 64 * 1024;

// Windows maps no longer executable.
constexpr std::uint64_t max_file_length = UINT32_MAX;

// Bytes [begin, end) of the file or of memory.
struct Range {
  std::uint64_t begin;
  std::uint64_t end;
};

struct Headers {
  OptionalHeader optional;
  std::vector<SectionHeader> sections;
};

bool is_sound(const OptionalHeader& header, std::uint16_t size) noexcept {
  const bool is_pe32_plus = header.magic == pe32_plus_magic && size >= min_pe32_plus_size;
  if (header.magic != pe32_magic && !is_pe32_plus) return false;
  const std::uint32_t in_memory = header.section_alignment;
  const std::uint32_t in_file = header.file_alignment;
  return std::has_single_bit(in_memory) && std::has_single_bit(in_file) && in_memory >= page_size &&
         in_file >= sector_size && in_file <= std::min(max_file_alignment, in_memory);
}

// Loads headers that are all in `head`. Nothing if the optional header is invalid or the sections
// cannot be mapped page by page: if they are aligned to less than a page in memory, Windows maps
// the file as it is.
std::optional<Headers> load_headers(ByteView head) {
  std::uint64_t offset = load<DosHeader>(head, 0, "DOS header").pe_header;
  const auto pe = load<PeHeader>(head, offset, "PE header");
  if (pe.optional_header_size < min_pe32_size) return std::nullopt;
  offset += sizeof(pe);
  Headers headers = {load<OptionalHeader>(head, offset, "optional header"), {}};
  if (!is_sound(headers.optional, pe.optional_header_size)) return std::nullopt;
  offset += pe.optional_header_size;
  for (std::uint16_t i = 0; i < pe.section_count; ++i) {
    headers.sections.push_back(load<SectionHeader>(head, offset, "section header"));
    offset += sizeof(SectionHeader);
  }
  return headers;
}

// Whether the sections follow each other in memory, within the image.
bool fit_in_memory(const Headers& headers) noexcept {
  std::uint64_t end = headers.optional.headers_size;
  for (const SectionHeader& section : headers.sections) {
    const std::uint64_t begin = section.virtual_address;
    if (begin < end || begin % headers.optional.section_alignment != 0) return false;
    end = begin + (section.virtual_size != 0 ? section.virtual_size : section.raw_size);
  }
  return end <= headers.optional.image_size;
}

// Where the data of the sections is in the file, in order; not all sections have some.
std::vector<Range> raw_data(const std::vector<SectionHeader>& sections) {
  std::vector<Range> ranges;
  for (const SectionHeader& section : sections) {
    if (section.raw_offset == 0 || section.raw_size == 0) continue;
    const std::uint64_t begin = section.raw_offset;
    ranges.push_back({begin, begin + section.raw_size});
  }
  std::ranges::sort(ranges, {}, &Range::begin);
  return ranges;
}

// Whether the headers and the data of the sections follow each other in the file.
bool fit_in_file(const Headers& headers, std::size_t head_length, const std::vector<Range>& data,
                 std::uint64_t file_length) noexcept {
  std::uint64_t end = headers.optional.headers_size;
  if (end < head_length) return false;
  for (const Range& range : data) {
    if (range.begin < end || range.begin % sector_size != 0) return false;
    end = range.end;
  }
  return end <= file_length;
}

std::uint64_t next_page(std::uint64_t position) noexcept {
  return (position + page_size - 1) / page_size * page_size;
}

}  // namespace

std::optional<std::size_t> pe_head_length(ByteView head) {
  constexpr std::size_t magic_size = sizeof(dos_magic);
  if (head.size() >= magic_size && load<std::uint16_t>(head, 0, "DOS magic") != dos_magic) {
    return std::nullopt;
  }
  if (head.size() < sizeof(DosHeader)) return sizeof(DosHeader);
  const std::uint64_t start = load<DosHeader>(head, 0, "DOS header").pe_header;
  if (start < sizeof(DosHeader) || start % sizeof(std::uint32_t) != 0) return std::nullopt;
  if (start > max_pe_head - sizeof(PeHeader)) return std::nullopt;
  if (head.size() < start + sizeof(PeHeader)) return start + sizeof(PeHeader);
  const auto header = load<PeHeader>(head, start, "PE header");
  if (header.magic != pe_magic) return std::nullopt;
  const std::size_t length = start + sizeof(header) + header.optional_header_size +
                             header.section_count * sizeof(SectionHeader);
  return length <= max_pe_head ? std::optional(length) : std::nullopt;
}

std::optional<PeLayout> pe_layout(ByteView head, std::uint64_t file_length) {
  const std::optional<std::size_t> head_length = pe_head_length(head);
  if (!head_length || head.size() < *head_length || file_length > max_file_length) {
    return std::nullopt;
  }
  const std::optional<Headers> headers = load_headers(head);
  if (!headers || !fit_in_memory(*headers)) return std::nullopt;
  const std::vector<Range> data = raw_data(headers->sections);
  if (data.empty() || !fit_in_file(*headers, *head_length, data, file_length)) return std::nullopt;

  PeLayout layout = {.stored_length = 0, .image_length = headers->optional.image_size};
  std::uint64_t delta = 0;
  const auto start_page = [&](std::uint64_t offset) {
    const std::uint64_t new_delta = next_page(offset + delta) - offset;
    if (new_delta == delta) return;
    delta = new_delta;
    layout.mappings.push_back({.file_offset = static_cast<std::uint32_t>(offset),
                               .delta = static_cast<std::uint32_t>(delta)});
  };
  for (const Range& range : data) start_page(range.begin);
  if (data.back().end < file_length) start_page(data.back().end);  // certificates and the like
  if (layout.mappings.empty()) return std::nullopt;
  layout.stored_length = file_length + delta;
  return layout;
}

PePart find_pe_part(ByteView mappings, std::uint64_t offset, std::uint64_t length) {
  const auto mapping = [&](std::size_t i) {
    return load<PeImageMapping>(mappings, i * sizeof(PeImageMapping), "PE image mapping");
  };
  const std::size_t count = mappings.size() / sizeof(PeImageMapping);
  std::size_t low = 0;
  std::size_t high = count;
  while (low < high) {  // finds the first mapping past the offset
    const std::size_t middle = low + (high - low) / 2;
    if (mapping(middle).file_offset <= offset) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  const std::uint64_t delta = low == 0 ? 0 : mapping(low - 1).delta;
  if (low < count) length = std::min(length, mapping(low).file_offset - offset);
  return {offset + delta, length};
}

}  // namespace cim::format
