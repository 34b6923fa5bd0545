// The blocks and records that tar archives are made of (POSIX: ustar and pax). May be used from
// many threads at once.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace cim::transfer {

inline constexpr std::size_t tar_block_size = 512;

// Types of members that are not files.
inline constexpr char pax_header_type = 'x';         // its records are for the next member
inline constexpr char pax_global_header_type = 'g';  // its records are for all later members

// A member's header as stored in the file.
struct UstarHeader {
  char name[100] = {};
  char mode[8] = {};
  char uid[8] = {};
  char gid[8] = {};
  char size[12] = {};
  char mtime[12] = {};
  char checksum[8] = {};
  char type = '0';
  char link_name[100] = {};
  char magic[6] = {'u', 's', 't', 'a', 'r', '\0'};
  char version[2] = {'0', '0'};
  char user_name[32] = {};
  char group_name[32] = {};
  char device_major[8] = {};
  char device_minor[8] = {};
  char prefix[155] = {};
  char padding[12] = {};
};
static_assert(sizeof(UstarHeader) == tar_block_size);

inline std::string_view bytes_of(const UstarHeader& header) {
  return {reinterpret_cast<const char*>(&header), sizeof(header)};
}

// Octal digits followed by a NUL. Returns false, leaving zeros, if there is no room.
template <std::size_t size>
bool set_number(char (&field)[size], std::int64_t value) {
  constexpr std::int64_t limit = std::int64_t{1} << 3 * (size - 1);
  const bool fits = value >= 0 && value < limit;
  const std::string digits = fmt::format("{:0{}o}", fits ? value : 0, size - 1);
  std::copy(digits.begin(), digits.end(), field);
  return fits;
}

// Returns false, leaving the start of `text`, if there is no room.
template <std::size_t size>
bool set_text(char (&field)[size], std::string_view text) {
  std::copy_n(text.begin(), std::min(size, text.size()), field);
  return text.size() <= size;
}

void set_checksum(UstarHeader& header);

// Zeros that fill up the last block of `size` bytes.
std::string padding_after(std::uint64_t size);

// The header for `records_size` bytes of pax records for the member `name`. It is not a member
// itself, so its other fields do not matter.
UstarHeader pax_header(std::string_view name, std::size_t records_size);

// A record of a pax header.
struct PaxRecord {
  std::string_view key;
  std::string_view value;
};

// Appends "LENGTH KEY=VALUE\n" to `records`; LENGTH also counts its own digits.
void add_pax_record(std::string& records, std::string_view key, std::string_view value);

// The records in `text`, as views into it; nothing if it is malformed.
std::optional<std::vector<PaxRecord>> parse_pax_records(std::string_view text);

// The headers of one member.
struct MemberHeaders {
  std::vector<std::string_view> global_records;  // the text of each global header
  std::string_view records;                      // the text of its own
  std::string rest;                              // the remaining bytes
};

// Splits `bytes`, which start with the first header of a member and end before its data. Bytes that
// do not look like headers stay in `rest`.
MemberHeaders parse_member_headers(std::string_view bytes);

}  // namespace cim::transfer
