// Object id files: the digests of the objects in a region file.
#pragma once

#include <compare>
#include <string>
#include <vector>

#include "format/layout.h"
#include "image/mapping.h"

namespace cim {

// A mapped object id file. Its entries are not checked. Move-only. Threads may share it while none
// moves or sorts it.
class ObjectIds {
 public:
  // Opens object id file `index` of `set` in the directory `directory_fd`, whose path is
  // `directory`. Throws Error: file_not_found, corrupt, unsupported.
  ObjectIds(int directory_fd, const std::string& directory, const format::Guid& set,
            std::uint16_t index);

  const std::string& path() const noexcept { return path_; }
  const format::CommonHeader& header() const noexcept { return header_; }
  std::uint64_t file_size() const noexcept { return mapping_.bytes().size(); }

  // Whether the digests are those of digest.h. In version 2 ours were different, and Windows is not
  // known to have written that version.
  bool has_known_digests() const noexcept { return header_.version_major != 2; }

  std::size_t size() const noexcept { return entries_.size() / sizeof(format::ObjectIdEntry); }

  // Entry `i`, which is less than size().
  format::ObjectIdEntry operator[](std::size_t i) const;

  // Sorts the entries by compare_object_ids(). Those of our sets are taken to be sorted: to see
  // whether they are would take longer than what most forks do. If another writer's are not, this
  // copies them, or drops them all if there are too many to copy. Throws std::bad_alloc.
  void sort();

 private:
  std::string path_;
  bool is_ours_;
  format::CommonHeader header_ = {};
  Mapping mapping_;
  std::vector<format::ObjectIdEntry> sorted_;  // a copy, if the file's are out of order
  ByteView entries_;                           // of the mapping or the copy
};

// The order of entries in an object id file: by length, then by digest.
std::strong_ordering compare_object_ids(const format::ObjectIdEntry& a,
                                        const format::ObjectIdEntry& b) noexcept;

}  // namespace cim
