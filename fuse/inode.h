// Inode numbers of a mount.
#pragma once

#include <cim/image.h>
#include <fuse_lowlevel.h>

namespace cim {

// FUSE wants the root directory to be inode 1, so that number and the root's FileId swap places;
// any other file's inode number is its FileId. Being its own inverse, and without state, the
// mapping is good for as long as the image.
constexpr std::uint64_t swap_root(std::uint64_t number, FileId root) noexcept {
  if (number == root) return FUSE_ROOT_ID;
  if (number == FUSE_ROOT_ID) return root;
  return number;
}

constexpr fuse_ino_t inode_of(FileId id, FileId root) noexcept { return swap_root(id, root); }

constexpr FileId file_of(fuse_ino_t inode, FileId root) noexcept {
  return static_cast<FileId>(swap_root(inode, root));
}

}  // namespace cim
