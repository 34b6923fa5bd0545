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
// writers left there when they were killed. While it exists, it is the directory's one writer.
// Images count under whatever name, also symbolic links to images. For one thread at a time.
class Garbage {
 public:
  struct File {
    std::string name;
    std::uint64_t bytes;  // of the disk
  };

  // Throws Error: what lock_directory() throws, and whatever hinders the reading of a file that may
  // be an image.
  explicit Garbage(const std::string& directory);

  // Sorted by name.
  const std::vector<File>& files() const noexcept { return files_; }

  // A line for each file that is not garbage for the only reason that its header does not say what
  // its name says.
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

// Removes the region and object id files of those of `candidates` that no image in `directory`
// refers to; without any, looks at nothing. Removes nothing if one of the directory's files cannot
// be read, since it may be an image that does. For who is the directory's one writer.
void remove_unused_region_sets(int directory_fd, const std::string& directory,
                               std::span<const format::RegionSet> candidates) noexcept;

}  // namespace cim
