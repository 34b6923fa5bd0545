// What a file says to the images below it, until they are merged. May be called from many threads
// at once.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include <cim/metadata.h>

#include "format/extended_attributes.h"

namespace cim::format {

// A file or directory, as far as these marks matter.
struct MarkedFile {
  std::uint32_t reparse_tag;
  ByteView extended_attributes;
};

// Whether the file hides what images below have at its path: a whiteout of overlayfs, the character
// device 0:0. Throws Error (corrupt).
bool is_tombstone(const MarkedFile& file);

// Whether the directory hides what images below have in it, as overlayfs marks that. Throws Error
// (corrupt).
bool is_opaque(const MarkedFile& directory);

// The target of a merge link, an image path: the file becomes another name of what is there when
// images are merged. Nothing if the file is none. Throws Error (corrupt).
std::optional<std::u16string> merge_link_target(const MarkedFile& file);

// Metadata that owns its buffers.
struct MarkMetadata {
  EaBuilder extended_attributes;
  std::vector<std::byte> reparse_data;
};

MarkMetadata make_tombstone();

// Before it is merged, the merge link `path` is a symbolic link of Windows to `target`. Throws
// Error (limit_exceeded) if the target is too long.
MarkMetadata make_merge_link(std::u16string_view path, std::u16string_view target);

// `extended_attributes`, with the mark of an opaque directory added. Throws Error: corrupt,
// limit_exceeded.
EaBuilder add_opaque_mark(ByteView extended_attributes);

}  // namespace cim::format
