// The metadata of files in the layers of Windows containers.
#include "transfer/layer_metadata.h"

#include <algorithm>
#include <charconv>
#include <span>
#include <string>
#include <system_error>

#include <fmt/format.h>
#include <sys/stat.h>

#include "format/base64.h"
#include "format/extended_attributes.h"
#include "format/filetime.h"
#include "format/reparse.h"
#include "format/sddl.h"
#include "format/security_descriptor.h"
#include "posix/timestamp.h"

namespace cim::transfer {
namespace {

constexpr std::string_view xattr_prefix = "MSWINDOWS.xattr.";

Error malformed(std::string_view key, const std::string& reason) {
  return Error(Errc::corrupt, reason).with_object(fmt::format("record {}", key));
}

// Null if there is no record `key`.
const std::string* find_record(const TarMember& member, std::string_view key) {
  const auto record = member.records.find(key);
  return record == member.records.end() ? nullptr : &record->second;
}

std::vector<std::byte> decode_base64(std::string_view key, std::string_view text) {
  try {
    return format::decode_base64(text);
  } catch (const Error& error) {
    throw malformed(key, error.reason());
  }
}

std::uint32_t attributes_of(const TarMember& member) {
  constexpr std::string_view key = "MSWINDOWS.fileattr";
  const std::string* const record = find_record(member, key);
  std::uint32_t attributes = S_ISDIR(member.metadata.status.st_mode) ? attribute::directory : 0;
  if (record != nullptr) {
    const char* const end = record->data() + record->size();
    const auto [stop, error] = std::from_chars(record->data(), end, attributes);
    if (error != std::errc() || stop != end) throw malformed(key, "is no decimal number");
  }
  return attributes & ~attribute::reparse_point;
}

// The time in the record `key`: seconds, with a fraction of any length.
std::int64_t time_of(const TarMember& member, std::string_view key, std::int64_t otherwise) {
  const std::string* const record = find_record(member, key);
  if (record == nullptr) return otherwise;
  constexpr std::size_t max_fraction = 9;
  const std::size_t point = std::min(record->find('.'), record->size());
  try {
    return format::to_filetime(posix::parse_time("@" + record->substr(0, point) +
                                                 record->substr(point, 1 + max_fraction)));
  } catch (const Error&) {
    throw malformed(key, "is no time");
  }
}

std::vector<std::byte> security_descriptor_of(const TarMember& member) {
  constexpr std::string_view raw_key = "MSWINDOWS.rawsd";
  constexpr std::string_view text_key = "MSWINDOWS.sd";
  if (const std::string* const raw = find_record(member, raw_key)) {
    std::vector<std::byte> descriptor = decode_base64(raw_key, *raw);
    if (!format::is_valid_security_descriptor(descriptor)) {
      throw malformed(raw_key, "is no security descriptor");
    }
    return descriptor;
  }
  if (const std::string* const text = find_record(member, text_key)) {
    try {
      return format::parse_sddl(*text);
    } catch (const Error& error) {
      throw malformed(text_key, error.reason());
    }
  }
  const ByteView open = std::as_bytes(std::span(format::open_security_descriptor));
  return {open.begin(), open.end()};
}

std::vector<std::byte> extended_attributes_of(const TarMember& member) {
  format::EaBuilder list;
  for (auto record = member.records.lower_bound(xattr_prefix);
       record != member.records.end() && record->first.starts_with(xattr_prefix); ++record) {
    list.add(std::string_view(record->first).substr(xattr_prefix.size()),
             decode_base64(record->first, record->second));
  }
  return {list.list().begin(), list.list().end()};
}

std::vector<std::byte> reparse_data_of(const TarMember& member) {
  if (!S_ISLNK(member.metadata.status.st_mode)) return {};
  const bool is_junction = find_record(member, "MSWINDOWS.mountpoint") != nullptr;
  return format::make_windows_link(is_junction ? format::tag_mount_point : format::tag_symlink,
                                   member.metadata.symlink_target);
}

}  // namespace

WindowsMetadata windows_metadata(const TarMember& member) {
  WindowsMetadata metadata;
  metadata.attributes = attributes_of(member);
  const std::int64_t time = format::to_filetime(member.metadata.status.st_mtim);
  metadata.last_write_time = time;
  metadata.creation_time = time_of(member, "LIBARCHIVE.creationtime", time);
  metadata.last_access_time = time_of(member, "atime", time);
  metadata.change_time = time_of(member, "ctime", time);
  metadata.security_descriptor = security_descriptor_of(member);
  metadata.extended_attributes = extended_attributes_of(member);
  metadata.reparse_data = reparse_data_of(member);
  return metadata;
}

WindowsMetadata plain_windows_metadata(std::uint32_t attributes) {
  WindowsMetadata metadata;
  metadata.attributes = attributes;
  const ByteView open = std::as_bytes(std::span(format::open_security_descriptor));
  metadata.security_descriptor.assign(open.begin(), open.end());
  return metadata;
}

}  // namespace cim::transfer
