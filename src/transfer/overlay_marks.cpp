// What overlays note in the attributes of the files in their upper directories.
#include "transfer/overlay_marks.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <vector>

#include <cim/error.h>
#include <fmt/format.h>
#include <sys/sysmacros.h>

#include "format/bytes.h"

namespace cim::transfer {
namespace {

using Xattrs = std::vector<std::pair<std::string, std::string>>;

constexpr std::string_view trusted_prefix = "trusted.overlay.";
constexpr std::string_view user_prefix = "user.overlay.";
constexpr std::string_view escape = "overlay.";  // behind the prefix: it is part of the name
constexpr std::string_view fuse_prefix = "user.fuseoverlayfs.";
constexpr std::string_view containers_prefix = "user.containers.override_";
constexpr std::string_view containers_stat = "user.containers.override_stat";
constexpr std::string_view security_stat = "security.fuseoverlayfs.override_stat";
constexpr std::string_view user_stat = "user.fuseoverlayfs.override_stat";

const std::string* find(const Xattrs& xattrs, std::string_view name) {
  const auto found = std::ranges::find(xattrs, name, &Xattrs::value_type::first);
  return found == xattrs.end() ? nullptr : &found->second;
}

const std::string* find(const Xattrs& xattrs, std::string_view prefix, std::string_view name) {
  return find(xattrs, std::string(prefix).append(name));
}

Error malformed(std::string_view name) {
  return Error(Errc::corrupt, "is malformed").with_object(fmt::format("attribute {}", name));
}

bool is_plain_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

// An absolute path, or a name.
bool is_redirect(std::string_view value) {
  if (!value.starts_with('/')) return is_plain_name(value);
  while (!value.empty()) {
    value.remove_prefix(1);
    const std::size_t end = std::min(value.find('/'), value.size());
    if (!is_plain_name(value.substr(0, end))) return false;
    value.remove_prefix(end);
  }
  return true;
}

// Throws Error unless a file with this attribute surely has the data of the one below.
void check_metacopy(std::string_view value, const std::string& name) {
  constexpr std::size_t header_size = 4;  // version, length, flags, algorithm of the digest
  if (value.empty()) return;
  const bool is_sound = value.size() >= header_size && value[0] == 0 &&
                        static_cast<unsigned char>(value[1]) == value.size() && value[2] == 0;
  if (!is_sound) throw malformed(name);
  if (value.size() == header_size) return;
  throw Error(Errc::unsupported,
              "has a digest of fs-verity, by which the data below cannot be checked")
      .with_object("attribute " + name);
}

bool is_of_fuse_overlayfs(std::string_view name) {
  return name.starts_with(fuse_prefix) || name.starts_with(trusted_prefix) ||
         name.starts_with(user_prefix) || name == security_stat || name == containers_stat;
}

bool has_opaque_mark(const Xattrs& xattrs) {
  return std::ranges::any_of(std::array{trusted_prefix, user_prefix, fuse_prefix},
                             [&](std::string_view prefix) {
                               const std::string* const value = find(xattrs, prefix, "opaque");
                               return value != nullptr && value->starts_with('y');
                             });
}

// Makes the attributes what the overlay shows.
void unescape(Xattrs& xattrs, std::string_view prefix) {
  std::erase_if(xattrs, [&](const auto& attribute) {
    const std::string_view name = attribute.first;
    return name.starts_with(prefix) && !name.substr(prefix.size()).starts_with(escape);
  });
  for (auto& [name, value] : xattrs) {
    if (name.starts_with(prefix)) name.erase(prefix.size(), escape.size());
  }
  std::ranges::sort(xattrs);
}

void refuse_mark(const std::string* value, std::string_view prefix, const char* name) {
  if (value == nullptr) return;
  throw Error(Errc::unsupported, "is nothing that an overlay with the option userxattr follows")
      .with_object(fmt::format("attribute {}{}", prefix, name));
}

template <typename Number>
Number take_number(std::string_view& text, int base) {
  Number number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc()) throw Error(Errc::corrupt, "");
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  return number;
}

void take_char(std::string_view& text, char expected) {
  if (!text.starts_with(expected)) throw Error(Errc::corrupt, "");
  text.remove_prefix(1);
}

// Reads what follows `block` or `char`: -MAJOR-MINOR.
dev_t take_device(std::string_view& text) {
  take_char(text, '-');
  const auto major = take_number<unsigned>(text, 10);
  take_char(text, '-');
  return gnu_dev_makedev(major, take_number<unsigned>(text, 10));
}

void take_type(std::string_view& text, struct stat& status) {
  constexpr std::array<std::pair<std::string_view, mode_t>, 7> types = {{{"dir", S_IFDIR},
                                                                         {"file", S_IFREG},
                                                                         {"symlink", S_IFLNK},
                                                                         {"pipe", S_IFIFO},
                                                                         {"socket", S_IFSOCK},
                                                                         {"block", S_IFBLK},
                                                                         {"char", S_IFCHR}}};
  const auto type = std::ranges::find_if(
      types, [&](const auto& candidate) { return text.starts_with(candidate.first); });
  if (type == types.end()) throw Error(Errc::corrupt, "");
  text.remove_prefix(type->first.size());
  status.st_mode = (status.st_mode & ~mode_t{S_IFMT}) | type->second;
  if (type->second == S_IFBLK || type->second == S_IFCHR) status.st_rdev = take_device(text);
}

// Reads UID:GID:MODE[:TYPE], the mode in octal.
void read_stat(std::string_view text, struct stat& status) {
  constexpr mode_t permissions = 07777;
  status.st_uid = take_number<uid_t>(text, 10);
  take_char(text, ':');
  status.st_gid = take_number<gid_t>(text, 10);
  take_char(text, ':');
  status.st_mode = (status.st_mode & S_IFMT) | (take_number<mode_t>(text, 8) & permissions);
  if (text.empty()) return;
  take_char(text, ':');
  take_type(text, status);
  if (!text.empty()) throw Error(Errc::corrupt, "");
}

// What fuse-overlayfs does not show of other programs is stored by another name if its attributes
// for containers are in use.
void unescape_containers(Xattrs& xattrs) {
  std::erase_if(xattrs,
                [](const auto& attribute) { return attribute.first.starts_with("security."); });
  for (auto& [name, value] : xattrs) {
    if (!name.starts_with(containers_prefix)) continue;
    const std::string_view hidden = std::string_view(name).substr(containers_prefix.size());
    if (is_of_fuse_overlayfs(hidden) || hidden.starts_with("security.")) name = std::string(hidden);
  }
  std::ranges::sort(xattrs);
}

std::string_view name_of(StatOverride attribute) {
  switch (attribute) {
    case StatOverride::security:
      return security_stat;
    case StatOverride::containers:
      return containers_stat;
    case StatOverride::user:
      return user_stat;
    case StatOverride::none:
      break;
  }
  return {};
}

void apply_stat_override(posix::LinuxMetadata& metadata, std::string_view name) {
  struct stat& status = metadata.status;
  const std::string* const value = find(metadata.xattrs, name);
  if (value == nullptr || !(S_ISDIR(status.st_mode) || S_ISREG(status.st_mode))) return;
  try {
    read_stat(*value, status);
  } catch (const Error&) {
    throw malformed(name);
  }
  if (!S_ISLNK(status.st_mode)) return;
  throw Error(Errc::unsupported, "makes a symbolic link of a file")
      .with_object(fmt::format("attribute {}", name));
}

OverlayMarks take_marks_of_fuse_overlayfs(posix::LinuxMetadata& metadata, StatOverride override) {
  if (override != StatOverride::none) apply_stat_override(metadata, name_of(override));
  OverlayMarks marks;
  marks.opaque = has_opaque_mark(metadata.xattrs);
  if (const std::string* const path = find(metadata.xattrs, fuse_prefix, "origin")) {
    marks.origin_path = path->c_str();  // it may end with a NUL
  }
  std::erase_if(metadata.xattrs,
                [](const auto& attribute) { return is_of_fuse_overlayfs(attribute.first); });
  if (override == StatOverride::containers) unescape_containers(metadata.xattrs);
  return marks;
}

}  // namespace

std::string_view overlay_prefix(OverlayKind kind) {
  return kind == OverlayKind::userxattr ? user_prefix : trusted_prefix;
}

bool is_whiteout(const posix::LinuxMetadata& metadata, OverlayKind kind) {
  const struct stat& status = metadata.status;
  if (S_ISCHR(status.st_mode) && status.st_rdev == 0) return true;
  return S_ISREG(status.st_mode) && status.st_size == 0 && kind != OverlayKind::fuse_overlayfs &&
         find(metadata.xattrs, overlay_prefix(kind), "whiteout") != nullptr;
}

OverlayMarks take_marks(posix::LinuxMetadata& metadata, OverlayKind kind,
                        StatOverride stat_override) {
  if (kind == OverlayKind::fuse_overlayfs) {
    return take_marks_of_fuse_overlayfs(metadata, stat_override);
  }
  const std::string_view prefix = overlay_prefix(kind);
  const auto mark = [&](const char* name) { return find(metadata.xattrs, prefix, name); };
  const std::string* const redirect = mark("redirect");
  const std::string* const metacopy = mark("metacopy");
  if (kind == OverlayKind::userxattr) {
    refuse_mark(redirect, prefix, "redirect");
    refuse_mark(metacopy, prefix, "metacopy");
  }
  OverlayMarks marks;
  marks.metacopy = metacopy != nullptr && S_ISREG(metadata.status.st_mode);
  if (marks.metacopy) check_metacopy(*metacopy, std::string(prefix) + "metacopy");
  if (redirect != nullptr && (marks.metacopy || S_ISDIR(metadata.status.st_mode))) {
    if (!is_redirect(*redirect)) throw malformed(std::string(prefix) + "redirect");
    marks.redirect = *redirect;
  }
  const std::string* const opaque = mark("opaque");
  marks.opaque = opaque != nullptr && *opaque == "y";
  marks.indexed = mark("nlink") != nullptr;
  marks.has_attributes_lost = mark("protattr") != nullptr;
  if (const std::string* const origin = mark("origin")) marks.origin = *origin;
  unescape(metadata.xattrs, prefix);
  return marks;
}

StatOverride find_stat_override(const posix::LinuxMetadata& root) {
  for (const StatOverride attribute :
       {StatOverride::security, StatOverride::containers, StatOverride::user}) {
    if (find(root.xattrs, name_of(attribute)) != nullptr) return attribute;
  }
  return StatOverride::none;
}

FileId file_of_handle(const Image& base, std::string_view handle) {
  // version, magic, length, flags, type; UUID; what FUSE makes of an inode
  constexpr std::size_t header_size = 21;
  constexpr std::size_t size = header_size + 12;
  constexpr std::uint8_t magic = 0xFB;
  constexpr std::uint8_t fuse_type = 0x81;
  const ByteView bytes = std::as_bytes(std::span(handle));
  const auto byte = [&](std::size_t index) { return static_cast<std::uint8_t>(handle[index]); };
  if (handle.size() < header_size || byte(0) != 0 || byte(1) != magic || byte(2) != handle.size()) {
    throw Error(Errc::corrupt, "a file handle is malformed");
  }
  const Error foreign(Errc::unsupported,
                      "the lower directory was no mount of " + base.path() + " alone");
  if (byte(4) != fuse_type || handle.size() != size) throw Error(foreign);
  const auto word = [&](int index) {
    return format::load<std::uint32_t>(bytes, header_size + sizeof(std::uint32_t) * index,
                                       "handle");
  };
  // As fuse/inode.h says, the root is 1, and what is 1 has its number.
  const FileId number = word(1);
  const FileId id = number == 1 ? base.root() : number == base.root() ? 1 : number;
  if (word(0) != 0 || word(2) != 0 || id == 0 || id > base.file_id_limit()) throw Error(foreign);
  return id;
}

}  // namespace cim::transfer
