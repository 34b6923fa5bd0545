// The region files of an image being written, and their publication.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include <cim/image.h>

#include "format/layout.h"
#include "writer/object_index.h"
#include "writer/region_writer.h"

namespace cim {

// Creates region files as they are needed, and at the end gives all files of the set their names.
// The destructor removes everything that is not published. It and its regions are for one thread at
// a time.
class RegionSetWriter {
 public:
  // `base_regions` is the number of region files of the images that this one builds on. The
  // descriptor must outlive this; `directory` names it in errors.
  RegionSetWriter(int directory_fd, std::string directory, std::size_t base_regions);

  std::size_t base_regions() const noexcept { return base_regions_; }

  // The region for objects of `type`, with room for `length` more bytes. Throws Error.
  RegionWriter& region(RegionType type, std::uint64_t length);

  // The region with the index `region_index` in region offsets; null if it is not in this set.
  RegionWriter* own_region(std::uint16_t region_index) noexcept;

  // Writes the object id files, and syncs everything. `metadata_objects` are the ids of the objects
  // in the single metadata region, `data_objects` those of all others. Throws Error.
  void finish(std::span<const format::ObjectIdEntry> metadata_objects,
              const ObjectIndex& data_objects);

  // Gives all files their names, under a GUID derived from the object ids. Equal sets in a
  // directory get the same GUID and share their files. Returns the set. Throws Error; then no file
  // has a name.
  format::RegionSet publish();

  // Removes the names again.
  void withdraw() noexcept;

 private:
  void write_object_ids(RegionType type, std::span<const format::ObjectIdEntry> entries);
  void sync();
  bool can_be(const format::Guid& id);
  void publish_as(const format::Guid& id);

  int directory_fd_;
  std::string directory_;
  std::size_t base_regions_;
  std::vector<std::unique_ptr<RegionWriter>> regions_;
  std::vector<PendingFile> object_id_files_;  // by index in the set
  Hasher identity_;                           // covers all object ids
};

}  // namespace cim
