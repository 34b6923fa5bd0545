// Files that no image needs any more.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "format/layout.h"
#include "image/file_descriptor.h"

namespace cim {

// The region and object id files of a directory that no image in it refers to, and the files that
// killed writers left there. Holds the directory's lock as its only writer. Images count under any
// name, and so do symbolic links to images. For one thread at a time.
class Garbage {
 public:
  struct File {
    std::string name;
    std::uint64_t bytes;  // on disk
  };

  // Throws Error: those of lock_directory(), and any error in reading a file that may be an image.
  explicit Garbage(const std::string& directory);

  // Sorted by name.
  const std::vector<File>& files() const noexcept { return files_; }

  // A line for each file that counts as needed only because its header does not match its name.
  const std::vector<std::string>& doubts() const noexcept { return doubts_; }

  // Removes one of files(). Throws Error.
  void remove(const File& file) const;

 private:
  void add(const std::string& name);

  const std::string directory_;
  const FileDescriptor directory_fd_;
  std::vector<File> files_;
  std::vector<std::string> doubts_;
};

// Removes the region and object id files of those `candidates` that no image in `directory` refers
// to. Without candidates, does not look at the directory. Removes nothing if a file there cannot be
// read, since it may be an image that needs them. The caller must be the directory's only writer.
void remove_unused_region_sets(int directory_fd, const std::string& directory,
                               std::span<const format::RegionSet> candidates) noexcept;

}  // namespace cim
