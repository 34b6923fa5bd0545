// A bound on walks over an image that may be hostile.
#pragma once

#include <cstdint>
#include <string>

#include <cim/image.h>

#include "format/link_table.h"
#include "image/internals.h"

namespace cim {

// Counts the metadata that a walk meets. In a hostile image, many directories may share one link
// table, many entries one name and many files one table of streams; in a sound one, each has bytes
// of its own. Counting keeps the work and memory of a walk proportional to the metadata.
class MetadataTally {
 public:
  explicit MetadataTally(const Image& image)
      : path_(image.path()),
        unclaimed_by_directories_(ImageInternals(image).metadata_size()),
        unclaimed_by_files_(unclaimed_by_directories_ * max_times_met) {}

  // Counts a directory's entry called `name`. Throws Error (corrupt), now and on every later call,
  // if the metadata is too small for all entries counted.
  void add_entry(std::u16string_view name) {
    claim(unclaimed_by_directories_, format::link_table_entry_size(sizeof(FileId), name.size()),
          "directories overlap: they have more entries");
  }

  // Counts `size` bytes that belong to one file: a table of alternate streams, the mappings of an
  // executable, or the target of a merge link. Throws as add_entry() does.
  void add_part_of_file(std::uint64_t size) {
    claim(unclaimed_by_files_, size,
          "files overlap: they have more alternate streams, executables and merge links");
  }

 private:
  // A walk may meet the parts of a file once for each of its names.
  static constexpr std::uint64_t max_times_met = 16;

  void claim(std::uint64_t& unclaimed, std::uint64_t size, const char* what) const {
    if (size > unclaimed) {
      unclaimed = 0;
      throw Error(Errc::corrupt, std::string(what) + " than the metadata can hold")
          .with_image(path_);
    }
    unclaimed -= size;
  }

  std::string path_;
  std::uint64_t unclaimed_by_directories_;  // bytes of metadata not yet accounted for
  std::uint64_t unclaimed_by_files_;
};

}  // namespace cim
