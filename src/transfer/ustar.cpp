// The blocks and records that tar archives are made of.
#include "transfer/ustar.h"

#include <charconv>
#include <cstring>
#include <numeric>
#include <system_error>

#include <sys/stat.h>

namespace cim::transfer {
namespace {

constexpr std::string_view gnu_long_name_types = "LK";  // of a name and of a link's target

std::uint64_t padded(std::uint64_t size) {
  return (size + tar_block_size - 1) / tar_block_size * tar_block_size;
}

// The size of the data after a header of pax records, which always fits in octal digits.
std::optional<std::uint64_t> size_of(const UstarHeader& header) {
  const std::string_view field(header.size, sizeof(header.size));
  const std::size_t start = std::min(field.find_first_not_of(' '), field.size());
  std::uint64_t size = 0;
  const auto [end, error] =
      std::from_chars(field.data() + start, field.data() + field.size(), size, 8);
  if (error != std::errc()) return std::nullopt;
  return size;
}

}  // namespace

void set_checksum(UstarHeader& header) {
  std::fill(std::begin(header.checksum), std::end(header.checksum), ' ');
  const auto* bytes = reinterpret_cast<const unsigned char*>(&header);
  const unsigned sum = std::accumulate(bytes, bytes + sizeof(header), 0U);
  const std::string digits = fmt::format("{:06o}", sum);
  std::copy(digits.begin(), digits.end(), header.checksum);
  header.checksum[digits.size()] = '\0';
}

std::string padding_after(std::uint64_t size) { return std::string(padded(size) - size, '\0'); }

UstarHeader pax_header(std::string_view name, std::size_t records_size) {
  UstarHeader header;
  set_text(header.name, "PaxHeaders/" + std::string(name));
  set_number(header.mode, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH);
  set_number(header.uid, 0);
  set_number(header.gid, 0);
  set_number(header.size, static_cast<std::int64_t>(records_size));
  set_number(header.mtime, 0);
  header.type = pax_header_type;
  set_checksum(header);
  return header;
}

void add_pax_record(std::string& records, std::string_view key, std::string_view value) {
  const std::size_t rest = key.size() + value.size() + 3;
  std::size_t length = rest + 1;
  while (rest + std::to_string(length).size() != length) ++length;
  records += fmt::format("{} {}=", length, key);
  records += value;
  records += '\n';
}

std::optional<std::vector<PaxRecord>> parse_pax_records(std::string_view text) {
  std::vector<PaxRecord> records;
  while (!text.empty()) {
    std::size_t length = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), length);
    const auto digits = static_cast<std::size_t>(end - text.data());
    // The shortest record is "5 a=\n".
    if (error != std::errc() || length > text.size() || length < digits + 4) return std::nullopt;
    if (text[digits] != ' ' || text[length - 1] != '\n') return std::nullopt;
    const std::string_view record = text.substr(digits + 1, length - digits - 2);
    const std::size_t equals = record.find('=');
    if (equals == std::string_view::npos) return std::nullopt;
    records.push_back({record.substr(0, equals), record.substr(equals + 1)});
    text.remove_prefix(length);
  }
  return records;
}

MemberHeaders parse_member_headers(std::string_view bytes) {
  MemberHeaders headers;
  while (bytes.size() >= tar_block_size) {
    UstarHeader header;
    std::memcpy(&header, bytes.data(), sizeof(header));
    const bool is_global = header.type == pax_global_header_type;
    const bool is_own = header.type == pax_header_type;
    const bool is_name = gnu_long_name_types.find(header.type) != std::string_view::npos;
    const auto size = size_of(header);
    if (!(is_global || is_own || is_name) || !size || *size > bytes.size()) break;
    const std::uint64_t end = tar_block_size + padded(*size);
    if (end > bytes.size()) break;
    const std::string_view body = bytes.substr(tar_block_size, *size);
    if (is_global) headers.global_records.push_back(body);
    if (is_own) headers.records = body;
    if (is_name) headers.rest += bytes.substr(0, end);
    bytes.remove_prefix(end);
  }
  headers.rest += bytes;
  return headers;
}

}  // namespace cim::transfer
