// Reparse points: symbolic links, junctions and the special files of Linux. May be called from many
// threads at once.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <cim/metadata.h>

namespace cim::format {

inline constexpr std::uint32_t tag_mount_point = 0xA0000003;  // junction
inline constexpr std::uint32_t tag_symlink = 0xA000000C;      // Windows symbolic link
inline constexpr std::uint32_t tag_lx_symlink = 0xA000001D;
inline constexpr std::uint32_t tag_af_unix = 0x80000023;
inline constexpr std::uint32_t tag_lx_fifo = 0x80000024;
inline constexpr std::uint32_t tag_lx_chr = 0x80000025;
inline constexpr std::uint32_t tag_lx_blk = 0x80000026;

// The data part of the REPARSE_DATA_BUFFER `buffer`. Throws Error (corrupt) if the buffer is
// shorter than it claims or its tag is not `tag`.
ByteView reparse_payload(ByteView buffer, std::uint32_t tag);

// A REPARSE_DATA_BUFFER of `tag` and `payload`. Throws Error (limit_exceeded) if it would be over
// 65,535 bytes.
std::vector<std::byte> make_reparse_buffer(std::uint32_t tag, ByteView payload);

// A REPARSE_DATA_BUFFER for a Linux symlink to `target` (bytes, no NUL).
std::vector<std::byte> make_lx_symlink(std::string_view target);

// The target of the LX_SYMLINK `buffer`: a view into it. Throws Error (corrupt).
std::string_view lx_symlink_target(ByteView buffer);

// The target of a Windows symbolic link or junction.
struct WindowsLink {
  std::u16string target;  // the substitute name, as `\??\C:\x` or `..\x`
  bool relative = false;
};

// A REPARSE_DATA_BUFFER of `tag`, tag_symlink or tag_mount_point, for a link to `target`: UTF-8,
// `/` or `\` between names, `\?\X`, `\SERVER\X`, `X:…`, or else relative. Throws Error:
// invalid_argument if it is empty or not UTF-8, limit_exceeded if it is too long.
std::vector<std::byte> make_windows_link(std::uint32_t tag, std::string_view target);

// The same for a target in UTF-16, with `\` between names.
std::vector<std::byte> make_windows_link(std::uint32_t tag, std::u16string_view target);

// Decodes the symlink or mount point `buffer`. Throws Error (corrupt).
WindowsLink windows_link(ByteView buffer);

// The target of the symlink or mount point `buffer` as make_windows_link() takes it, with `/`
// between names: its print name, or else the substitute name. Throws Error (corrupt).
std::string windows_link_target(ByteView buffer);

}  // namespace cim::format
