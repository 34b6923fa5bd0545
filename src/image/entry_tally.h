// A bound on walks over the directories of an image that may be hostile.
#pragma once

#include <cstdint>
#include <string>

#include <cim/image.h>

#include "format/link_table.h"
#include "image/base.h"

namespace cim {

// Counts the entries that a walk meets. Directories may claim one link table, and entries one name,
// many times over; each entry of a sound image has bytes of its own. So work and memory of a walk
// that counts stay proportional to the metadata. For one thread at a time.
class EntryTally {
 public:
  explicit EntryTally(const Image& image)
      : path_(image.path()), unclaimed_(BaseImage(image).metadata_size()) {}

  // Counts an entry that is called `name`. Throws Error (corrupt), then and ever after, if the
  // metadata is too small for all that were counted.
  void add(std::u16string_view name) {
    const std::uint64_t size = format::link_table_entry_size(sizeof(FileId), name.size());
    if (size > unclaimed_) {
      unclaimed_ = 0;
      throw Error(
          Errc::corrupt,
          path_ + ": directories overlap: they have more entries than the metadata can hold");
    }
    unclaimed_ -= size;
  }

 private:
  std::string path_;
  std::uint64_t unclaimed_;  // bytes of metadata that no entry was counted for
};

}  // namespace cim
