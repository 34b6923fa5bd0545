// Writes tar archives in the pax format of POSIX (IEEE Std 1003.1, pax): ustar headers, preceded by
// a header of type `x` with text records for everything that does not fit.
#include "transfer/pax_writer.h"

#include <algorithm>
#include <span>

#include <cim/error.h>
#include <fmt/format.h>
#include <sys/sysmacros.h>

#include "format/utf8.h"
#include "transfer/ustar.h"

namespace cim::transfer {
namespace {

constexpr std::size_t buffer_size = 1 << 20;
constexpr mode_t permission_bits = 07777;

// Splits a path that is too long for the name into prefix and name, if there is a suitable `/`.
bool set_path(UstarHeader& header, std::string_view path) {
  if (set_text(header.name, path)) return true;
  const std::size_t slash = path.find('/', path.size() - sizeof(header.name) - 1);
  if (slash == 0 || slash > sizeof(header.prefix) || slash + 1 >= path.size()) return false;
  std::fill(std::begin(header.name), std::end(header.name), '\0');
  set_text(header.name, path.substr(slash + 1));
  return set_text(header.prefix, path.substr(0, slash));
}

char type_of(const PaxMember& member) {
  if (member.is_hard_link) return '1';
  switch (member.status.st_mode & S_IFMT) {
    case S_IFLNK:
      return '2';
    case S_IFCHR:
      return '3';
    case S_IFBLK:
      return '4';
    case S_IFDIR:
      return '5';
    case S_IFIFO:
      return '6';
    case S_IFREG:
      return '0';
    default:
      throw Error(Errc::unsupported, "a tar archive cannot hold such a file")
          .with_path(member.path);
  }
}

bool has_data(const PaxMember& member) {
  return S_ISREG(member.status.st_mode) && !member.is_hard_link;
}

// Whether `name` is the same in UTF-8, which pax records use, and as plain bytes.
bool is_ascii(std::string_view name) {
  return std::all_of(name.begin(), name.end(), [](unsigned char c) { return c < 0x80; });
}

// A name that the header has room for needs a record only to say that it is in UTF-8. One that is
// not has none, so that nobody tries to convert it.
void add_name(std::string& records, std::string_view key, std::string_view name, bool fits) {
  if (!fits || (!is_ascii(name) && format::is_utf8(name))) add_pax_record(records, key, name);
}

std::string base_name(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return std::string(path.substr(path.rfind('/') + 1));  // npos + 1 is 0
}

// The number of ranges, then the offset and length of each, as decimal lines.
std::string sparse_map(const std::vector<DataRange>& ranges) {
  std::string map = fmt::format("{}\n", ranges.size());
  for (const DataRange& range : ranges) map += fmt::format("{}\n{}\n", range.offset, range.length);
  return map + padding_after(map.size());
}

}  // namespace

// Before 1970 a timespec counts nanoseconds upwards, decimal notation downwards.
std::string pax_time(const timespec& time) {
  constexpr long nanoseconds_per_second = 1'000'000'000;
  const bool complement = time.tv_sec < 0 && time.tv_nsec > 0;
  const long fraction = complement ? nanoseconds_per_second - time.tv_nsec : time.tv_nsec;
  const std::int64_t seconds = complement ? time.tv_sec + 1 : time.tv_sec;
  std::string text = fmt::format("{}{}", complement && seconds == 0 ? "-" : "", seconds);
  if (fraction == 0) return text;
  text += fmt::format(".{:09}", fraction);
  return text.substr(0, text.find_last_not_of('0') + 1);
}

PaxWriter::PaxWriter(Output& output) : output_(output) { buffer_.reserve(buffer_size); }

void PaxWriter::begin(const PaxMember& member) {
  const auto size = has_data(member) ? static_cast<std::uint64_t>(member.status.st_size) : 0;
  write_headers(member, member.path, size, {});
}

void PaxWriter::begin_sparse(const PaxMember& member, const std::vector<DataRange>& ranges) {
  // A hole at the end has no range after it that shows where it ends.
  std::vector<DataRange> map = ranges;
  const auto size = static_cast<std::uint64_t>(member.status.st_size);
  if (map.empty() || map.back().offset + map.back().length < size) map.push_back({size, 0});
  const std::string map_text = sparse_map(map);

  std::string records;
  add_pax_record(records, "GNU.sparse.major", "1");
  add_pax_record(records, "GNU.sparse.minor", "0");
  add_pax_record(records, "GNU.sparse.name", member.path);
  add_pax_record(records, "GNU.sparse.realsize", std::to_string(size));
  std::uint64_t stored_size = map_text.size();
  for (const DataRange& range : map) stored_size += range.length;
  write_headers(member, "GNUSparseFile.0/" + base_name(member.path), stored_size,
                std::move(records));
  put(map_text);
}

void PaxWriter::write(ByteView data) {
  size_ += data.size();
  while (!data.empty()) {
    const std::size_t length = std::min(data.size(), buffer_size - buffer_.size());
    buffer_.insert(buffer_.end(), data.begin(), data.begin() + static_cast<std::ptrdiff_t>(length));
    data = data.subspan(length);
    if (buffer_.size() == buffer_size) flush();
  }
}

void PaxWriter::end() { pad(); }

void PaxWriter::finish() {
  put(std::string(2 * tar_block_size, '\0'));
  flush();
}

// `header_name` is the member's name for programs that do not know the records.
void PaxWriter::write_headers(const PaxMember& member, const std::string& header_name,
                              std::uint64_t stored_size, std::string records) {
  const struct stat& status = member.status;
  UstarHeader header;
  header.type = type_of(member);
  set_number(header.mode, status.st_mode & permission_bits);

  const auto add_number = [&](auto& field, const char* key, std::int64_t value) {
    if (!set_number(field, value)) add_pax_record(records, key, std::to_string(value));
  };
  add_number(header.uid, "uid", status.st_uid);
  add_number(header.gid, "gid", status.st_gid);
  add_number(header.size, "size", static_cast<std::int64_t>(stored_size));
  if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
    add_number(header.device_major, "SCHILY.devmajor", major(status.st_rdev));
    add_number(header.device_minor, "SCHILY.devminor", minor(status.st_rdev));
  }
  if (!set_number(header.mtime, status.st_mtim.tv_sec) || status.st_mtim.tv_nsec != 0) {
    add_pax_record(records, "mtime", pax_time(status.st_mtim));
  }
  add_name(records, "path", header_name, set_path(header, header_name));
  add_name(records, "linkpath", member.link_target, set_text(header.link_name, member.link_target));
  for (const auto& [key, value] : member.records) add_pax_record(records, key, value);
  set_checksum(header);

  if (!records.empty()) {
    put(bytes_of(pax_header(base_name(member.path), records.size())));
    put(records);
    pad();
  }
  put(bytes_of(header));
}

void PaxWriter::put(std::string_view text) { write(std::as_bytes(std::span(text))); }

void PaxWriter::pad() { put(padding_after(size_)); }

void PaxWriter::flush() {
  output_.write(buffer_);
  buffer_.clear();
}

}  // namespace cim::transfer
