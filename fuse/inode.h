// Inode numbers of a mount.
#pragma once

#include <cim/image.h>
#include <fuse_lowlevel.h>

namespace cim {

// FUSE wants the root directory to be inode 1, so that number and the root's FileId swap places;
// any other file's inode number is its FileId. The mapping is its own inverse and has no state, so
// it holds for as long as the image.
constexpr std::uint64_t swap_root(std::uint64_t number, FileId root) noexcept {
  if (number == root) return FUSE_ROOT_ID;
  if (number == FUSE_ROOT_ID) return root;
  return number;
}

// An alternate data stream with a path of its own has an inode number, too: that of its file, with
// the stream's number, counted from 1, above the 32 bits of a FileId.
constexpr unsigned stream_shift = 32;

constexpr fuse_ino_t inode_of(FileId id, FileId root, std::uint32_t stream = 0) noexcept {
  return swap_root(id, root) | fuse_ino_t{stream} << stream_shift;
}

constexpr FileId file_of(fuse_ino_t inode, FileId root) noexcept {
  return static_cast<FileId>(swap_root(static_cast<std::uint32_t>(inode), root));
}

// 0 for the file itself.
constexpr std::uint32_t stream_of(fuse_ino_t inode) noexcept {
  return static_cast<std::uint32_t>(inode >> stream_shift);
}

}  // namespace cim
