// Reading and building REPARSE_DATA_BUFFERs.
#include "format/reparse.h"

#include <cstring>

#include <fmt/format.h>

#include "format/bytes.h"
#include "format/layout.h"

namespace cim::format {
namespace {

constexpr std::size_t max_reparse_length = 65535;  // its byte count in an image is a u16

// What the payload of LX_SYMLINK starts with; the target follows.
constexpr std::uint32_t lx_symlink_version = 2;

constexpr std::uint32_t symlink_flag_relative = 1;

#pragma pack(push, 1)
// What the payload of a Windows symbolic link or junction starts with. A symbolic link has u32
// flags after it. A buffer of UTF-16 names follows.
struct LinkNames {
  std::uint16_t substitute_offset;  // in bytes, from the start of the buffer
  std::uint16_t substitute_length;  // in bytes
  std::uint16_t print_offset;
  std::uint16_t print_length;
};
static_assert(sizeof(LinkNames) == 8);
#pragma pack(pop)

std::uint32_t reparse_tag(ByteView buffer) {
  return load<ReparseDataBuffer>(buffer, 0, "reparse data").tag;
}

}  // namespace

ByteView reparse_payload(ByteView buffer, std::uint32_t tag) {
  const auto header = load<ReparseDataBuffer>(buffer, 0, "reparse data");
  if (header.tag != tag) {
    const std::uint32_t found = header.tag;
    throw Error(Errc::corrupt,
                fmt::format("reparse data has tag {:#010x}, not {:#010x}", found, tag));
  }
  return slice(buffer, sizeof(header), header.data_length, "reparse data");
}

std::vector<std::byte> make_reparse_buffer(std::uint32_t tag, ByteView payload) {
  if (payload.size() > max_reparse_length - sizeof(ReparseDataBuffer)) {
    throw Error(Errc::limit_exceeded,
                fmt::format("reparse data of {} bytes is longer than {}",
                            payload.size() + sizeof(ReparseDataBuffer), max_reparse_length));
  }
  std::vector<std::byte> buffer;
  buffer.reserve(sizeof(ReparseDataBuffer) + payload.size());
  append(buffer, bytes_of(ReparseDataBuffer{tag, static_cast<std::uint16_t>(payload.size()), 0}));
  append(buffer, payload);
  return buffer;
}

std::vector<std::byte> make_lx_symlink(std::string_view target) {
  std::vector<std::byte> payload;
  payload.reserve(sizeof(lx_symlink_version) + target.size());
  append(payload, bytes_of(lx_symlink_version));
  append(payload, std::as_bytes(std::span(target)));
  return make_reparse_buffer(tag_lx_symlink, payload);
}

std::string_view lx_symlink_target(ByteView buffer) {
  const ByteView payload = reparse_payload(buffer, tag_lx_symlink);
  const auto version = load<std::uint32_t>(payload, 0, "target of a Linux symbolic link");
  if (version != lx_symlink_version) {
    throw Error(Errc::corrupt, fmt::format("Linux symbolic link has version {}, not {}", version,
                                           lx_symlink_version));
  }
  const ByteView bytes = payload.subspan(sizeof(version));
  const std::string_view target(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  if (target.empty() || target.find('\0') != std::string_view::npos) {
    throw Error(Errc::corrupt, "Linux symbolic link has an empty target or one with a NUL");
  }
  return target;
}

WindowsLink windows_link(ByteView buffer) {
  const bool is_symlink = reparse_tag(buffer) == tag_symlink;
  const ByteView payload = reparse_payload(buffer, is_symlink ? tag_symlink : tag_mount_point);
  const auto names = load<LinkNames>(payload, 0, "names of a Windows link");
  std::uint64_t buffer_offset = sizeof(names);
  WindowsLink link;
  if (is_symlink) {
    const auto flags = load<std::uint32_t>(payload, sizeof(names), "flags of a Windows link");
    link.relative = (flags & symlink_flag_relative) != 0;
    buffer_offset += sizeof(flags);
  }
  const ByteView target = slice(payload, buffer_offset + names.substitute_offset,
                                names.substitute_length, "target of a Windows link");
  if (target.empty() || target.size() % sizeof(char16_t) != 0) {
    throw Error(Errc::corrupt, fmt::format("target of a Windows link has {} bytes", target.size()));
  }
  link.target.resize(target.size() / sizeof(char16_t));
  std::memcpy(link.target.data(), target.data(), target.size());
  if (link.target.find(u'\0') != std::u16string::npos) {
    throw Error(Errc::corrupt, "target of a Windows link has a NUL");
  }
  return link;
}

}  // namespace cim::format
