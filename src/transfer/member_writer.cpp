// Files of an image -> members of a tar archive.
#include "transfer/member_writer.h"

#include <algorithm>
#include <optional>
#include <span>
#include <string_view>

#include "format/layout.h"
#include "posix/acl.h"
#include "posix/attributes.h"

namespace cim::transfer {
namespace {

constexpr std::size_t buffer_size = 1 << 20;

// As GNU tar does: encodes the character that would end a pax record's key, and the escape itself.
std::string encode_xattr_name(std::string_view name) {
  std::string encoded;
  for (const char c : name) {
    if (c == '%') {
      encoded += "%25";
    } else if (c == '=') {
      encoded += "%3D";
    } else {
      encoded += c;
    }
  }
  return encoded;
}

// The record for an access control list, which every program understands; nothing if it is not a
// valid list.
std::optional<std::string> acl_record(std::string_view xattr, std::string_view value) {
  if (xattr != posix::access_acl_xattr && xattr != posix::default_acl_xattr) return std::nullopt;
  const auto entries = posix::decode_acl(value);
  if (!entries) return std::nullopt;
  return posix::acl_text(*entries);
}

void add_xattr(const std::string& name, const std::string& value, PaxMember& member) {
  member.records.emplace_back("SCHILY.xattr." + encode_xattr_name(name), value);
}

}  // namespace

MemberWriter::MemberWriter(const Image& image, Output& output, Progress& progress)
    : image_(image), archive_(output), progress_(progress), buffer_(buffer_size) {}

void MemberWriter::add(const File& file, const std::string& path) {
  try {
    PaxMember member = member_of(file, path);
    const std::string why = obstacle(file);
    if (!why.empty()) return warn(path + ": " + why + "; left out");
    if (!add_link_to_earlier_member(file, member)) add_new(file, member);
  } catch (const Error& error) {
    throw error.with_path(path);
  }
}

void MemberWriter::add_link(const File& file, const std::string& path, const std::string& target) {
  linked_files_.try_emplace(file.id, target);
  add(file, path);
}

void MemberWriter::add_marker(const std::string& path) {
  PaxMember member = {.path = path};
  member.status.st_mode = S_IFREG;
  add_plain(member);
}

void MemberWriter::warn(const std::string& message) {
  ++incomplete_;
  progress_.warn(message);
}

PaxMember MemberWriter::member_of(const File& file, const std::string& path) const {
  PaxMember member = {.path = path, .status = status(file)};
  if (S_ISDIR(member.status.st_mode)) member.path += path.empty() ? "./" : "/";
  return member;
}

// If another name of the file is already in the archive, adds `member` as one more.
bool MemberWriter::add_link_to_earlier_member(const File& file, PaxMember& member) {
  if (file.is_directory() || image_.link_count(file) < 2) return false;
  const auto [first, is_new] = linked_files_.try_emplace(file.id, member.path);
  if (is_new) return false;
  member.is_hard_link = true;
  member.link_target = first->second;
  describe_link(file, member);
  add_plain(member);
  if (S_ISREG(member.status.st_mode)) progress_.advance({.bytes = file.stream.length});
  return true;
}

void MemberWriter::add_plain(const PaxMember& member) {
  archive_.begin(member);
  archive_.end();
}

void MemberWriter::add_with_data(const PaxMember& member, const Stream& stream) {
  archive_.begin(member);
  add_data(stream, {0, stream.length});
  archive_.end();
}

void MemberWriter::add_with_holes(const PaxMember& member, const Stream& stream) {
  const auto ranges = data_ranges(stream);
  if (!ranges) return add_with_data(member, stream);
  archive_.begin_sparse(member, *ranges);
  std::uint64_t end = 0;
  for (const DataRange& range : *ranges) {
    progress_.advance({.bytes = range.offset - end});
    end = range.offset + range.length;
    add_data(stream, range);
  }
  progress_.advance({.bytes = stream.length - end});
  archive_.end();
}

// The ranges of `stream` that have data; nothing if its holes are not worth the trouble.
std::optional<std::vector<DataRange>> MemberWriter::data_ranges(const Stream& stream) const {
  if (stream.length <= format::page_size) return std::nullopt;
  std::vector<DataRange> ranges;
  std::uint64_t end = 0;
  std::uint64_t data_size = 0;
  while (const auto data = image_.seek(stream, end, true)) {
    end = image_.seek(stream, *data, false).value_or(stream.length);
    ranges.push_back({*data, end - *data});
    data_size += end - *data;
  }
  if (data_size == stream.length) return std::nullopt;
  return ranges;
}

void MemberWriter::add_data(const Stream& stream, const DataRange& range) {
  for (std::uint64_t done = 0; done < range.length;) {
    const std::size_t wanted = std::min<std::uint64_t>(buffer_.size(), range.length - done);
    const auto part = std::span(buffer_).first(wanted);
    if (image_.read(stream, range.offset + done, part) != wanted) {
      throw Error(Errc::corrupt, "is shorter than its length").with_image(image_.path());
    }
    archive_.write(part);
    progress_.advance({.bytes = wanted});
    done += wanted;
  }
}

struct stat LinuxMemberWriter::status(const File& file) const {
  return posix::attributes(image(), file, posix::MountDefaults());
}

std::string LinuxMemberWriter::obstacle(const File& file) const {
  return S_ISSOCK(status(file).st_mode) ? "a tar archive cannot hold a socket" : "";
}

void LinuxMemberWriter::add_new(const File& file, PaxMember& member) {
  if (S_ISLNK(member.status.st_mode)) member.link_target = posix::symlink_target(image(), file);
  add_xattrs(file, member);
  if (S_ISREG(member.status.st_mode)) return add_with_holes(member, file.stream);
  add_plain(member);
}

void LinuxMemberWriter::add_xattrs(const File& file, PaxMember& member) {
  for (const auto& [name, value] : posix::stored_xattrs(image(), file)) {
    if (const auto acl = acl_record(name, value)) {
      const bool is_access = name == posix::access_acl_xattr;
      member.records.emplace_back(is_access ? "SCHILY.acl.access" : "SCHILY.acl.default", *acl);
    } else {
      add_xattr(name, value, member);
    }
  }
  for (const posix::StreamXattr& stream : posix::stream_xattrs(image(), file)) {
    if (stream.obstacle == posix::StreamXattr::Obstacle::none) {
      add_xattr(posix::xattr_name(stream), posix::xattr_value(image(), stream), member);
    } else {
      warn(member.path + ": " + posix::describe_obstacle(stream) + "; left out");
    }
  }
}

}  // namespace cim::transfer
