// A tree of files, in an image or on disk, as Linux sees it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/stat.h>

namespace cim::transfer {

// The file that a name in a tree means.
struct FileIdentity {
  std::pair<dev_t, ino_t> key;  // equal for all names of a file
  nlink_t names;                // how many there are
};

// Visits the root of a tree and everything below it: each directory before its contents, entries
// sorted by the bytes of their names. So two trees can be compared while both are walked.
//
// All functions throw Error, naming the file, if it cannot be read or an image is corrupt. Not
// thread-safe.
class TreeView {
 public:
  using Xattrs = std::vector<std::pair<std::string, std::string>>;  // sorted by name

  virtual ~TreeView() = default;

  // Moves on to the next file, which the other functions are then about. Returns false, for good,
  // when there is none left.
  virtual bool next() = 0;

  // From the root, without a leading `/`; "" for the root. Valid until the next call of next().
  virtual std::string_view path() const = 0;

  // Cheaper than status(). Without a key for a directory, which has only one name.
  virtual FileIdentity identity() = 0;

  // stat(2) without st_dev and st_ino.
  virtual struct stat status() = 0;

  // For a symbolic link only.
  virtual std::string symlink_target() = 0;

  // The extended attributes that listxattr(2) shows, and the alternate data streams that cannot be
  // attributes (see posix::StreamXattr), each with a digest for its value.
  virtual Xattrs xattrs() = 0;

  // For a regular file only: reads up to out.size() bytes from `offset`. Returns the number of
  // bytes, which is less than asked for only at the end.
  virtual std::size_t read(std::uint64_t offset, std::span<std::byte> out) = 0;

  // For a regular file only: the first offset at or after `offset` that is not in a hole; the
  // file's size if there is none.
  virtual std::uint64_t next_data(std::uint64_t offset) = 0;
};

// The tree at `path`: an image if that is a regular file, else a directory. Follows symbolic links.
// Throws Error: not_a_directory if it is neither, and as the views do.
std::unique_ptr<TreeView> open_tree(const std::string& path);

}  // namespace cim::transfer
