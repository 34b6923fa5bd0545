// Reading and building REPARSE_DATA_BUFFERs.
#include "format/reparse.h"

#include <algorithm>
#include <array>
#include <cstring>

#include <fmt/format.h>

#include "format/bytes.h"
#include "format/layout.h"
#include "format/utf16.h"
#include "format/utf8.h"

namespace cim::format {
namespace {

std::u16string utf8_to_utf16(std::string_view text) {
  std::u16string units;
  while (!text.empty()) {
    const Utf8Character character = decode_utf8(text);
    if (character.length == 0) throw Error(Errc::invalid_argument, "the target is not UTF-8");
    std::array<char16_t, 2> encoded;
    units.append(encoded.data(), encode_utf16(character.code_point, encoded.data()));
    text.remove_prefix(character.length);
  }
  return units;
}

std::string utf16_to_utf8(std::u16string_view units) {
  std::string text;
  while (!units.empty()) {
    const char32_t character = first_character(units);
    if (is_surrogate(character)) throw Error(Errc::corrupt, "the target is not UTF-16");
    std::array<char, max_utf8_length> encoded;
    text.append(encoded.data(), encode_utf8(character, encoded.data()));
    units.remove_prefix(units_of(character));
  }
  return text;
}

// What absolute names start with in the kernel of Windows.
constexpr std::u16string_view kernel_prefix = u"\\??\\";

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

// The name by which the kernel of Windows knows `target`; itself if it is relative.
std::u16string substitute_name(std::u16string_view target) {
  std::u16string name;
  if (target.starts_with(u"\\\\?\\")) {
    name = kernel_prefix;
    name += target.substr(4);
  } else if (target.starts_with(u"\\\\")) {
    name = kernel_prefix;
    name += u"UNC";
    name += target.substr(1);
  } else if (target.size() >= 2 && target[1] == u':') {
    name = kernel_prefix;
    name += target;
  } else {
    name = target;
  }
  return name;
}

std::uint32_t reparse_tag(ByteView buffer) {
  return load<ReparseDataBuffer>(buffer, 0, "reparse data").tag;
}

// The parts of the buffer of a Windows symbolic link or junction.
class LinkBuffer {
 public:
  explicit LinkBuffer(ByteView buffer) : is_symlink(reparse_tag(buffer) == tag_symlink) {
    const ByteView payload = reparse_payload(buffer, is_symlink ? tag_symlink : tag_mount_point);
    names_ = load<LinkNames>(payload, 0, "names of a Windows link");
    strings_ = payload.subspan(sizeof(names_));
    if (!is_symlink) return;
    const auto flags = load<std::uint32_t>(payload, sizeof(names_), "flags of a Windows link");
    relative = (flags & symlink_flag_relative) != 0;
    strings_ = strings_.subspan(sizeof(flags));
  }

  std::u16string substitute_name() const {
    return name(names_.substitute_offset, names_.substitute_length);
  }
  std::u16string print_name() const { return name(names_.print_offset, names_.print_length); }

  const bool is_symlink;
  bool relative = false;  // if it is one

 private:
  std::u16string name(std::uint16_t offset, std::uint16_t length) const {
    const ByteView bytes = slice(strings_, offset, length, "target of a Windows link");
    if (bytes.size() % sizeof(char16_t) != 0) {
      throw Error(Errc::corrupt,
                  fmt::format("target of a Windows link has {} bytes", bytes.size()));
    }
    std::u16string units(bytes.size() / sizeof(char16_t), u'\0');
    if (!bytes.empty()) std::memcpy(units.data(), bytes.data(), bytes.size());
    if (units.find(u'\0') != std::u16string::npos) {
      throw Error(Errc::corrupt, "target of a Windows link has a NUL");
    }
    return units;
  }

  LinkNames names_ = {};
  ByteView strings_;
};

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

std::vector<std::byte> make_windows_link(std::uint32_t tag, std::string_view target) {
  std::u16string units = utf8_to_utf16(target);
  std::ranges::replace(units, u'/', u'\\');
  return make_windows_link(tag, units);
}

std::vector<std::byte> make_windows_link(std::uint32_t tag, std::u16string_view target) {
  const std::u16string print_name(target);
  if (print_name.empty()) throw Error(Errc::invalid_argument, "a link has no target");
  const std::u16string substitute = substitute_name(print_name);
  const std::size_t substitute_length = substitute.size() * sizeof(char16_t);
  const std::size_t print_length = print_name.size() * sizeof(char16_t);
  if (substitute_length + print_length > max_reparse_length) {
    throw Error(Errc::limit_exceeded, "the target of a link is too long");
  }
  // Each name ends with a NUL that its length does not count.
  std::vector<std::byte> payload;
  append(payload, bytes_of(LinkNames{0, static_cast<std::uint16_t>(substitute_length),
                                     static_cast<std::uint16_t>(substitute_length + sizeof(u'\0')),
                                     static_cast<std::uint16_t>(print_length)}));
  if (tag == tag_symlink) {
    const std::uint32_t flags = substitute == print_name ? symlink_flag_relative : 0;
    append(payload, bytes_of(flags));
  }
  append(payload, std::as_bytes(std::span(substitute.c_str(), substitute.size() + 1)));
  append(payload, std::as_bytes(std::span(print_name.c_str(), print_name.size() + 1)));
  return make_reparse_buffer(tag, payload);
}

WindowsLink windows_link(ByteView buffer) {
  const LinkBuffer names(buffer);
  WindowsLink link = {.target = names.substitute_name(), .relative = names.relative};
  if (link.target.empty()) throw Error(Errc::corrupt, "target of a Windows link is empty");
  return link;
}

std::string windows_link_target(ByteView buffer) {
  const LinkBuffer names(buffer);
  std::u16string target = names.print_name();
  const bool has_print_name = !target.empty();
  if (!has_print_name) target = names.substitute_name();
  // As a target of a symbolic link, make_windows_link() takes a name of the kernel for relative.
  const bool is_absolute_symlink = names.is_symlink && !names.relative;
  if ((!has_print_name || is_absolute_symlink) && target.starts_with(kernel_prefix)) {
    target.replace(0, kernel_prefix.size(), u"\\\\?\\");
  }
  std::ranges::replace(target, u'\\', u'/');
  return utf16_to_utf8(target);
}

}  // namespace cim::format
