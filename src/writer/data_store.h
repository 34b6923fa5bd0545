// Stores the data of an image being written, each object once.
#pragma once

#include <functional>
#include <optional>

#include <cim/image.h>

#include "format/layout.h"
#include "image/digest.h"
#include "writer/object_index.h"
#include "writer/region_set_writer.h"

namespace cim {

// Where the data of a stream goes.
enum class DataPlacement {
  by_size,
  pages,  // on a page boundary, however small it is
};

// Puts the data of streams into regions. If the image, or one that it builds on, has equal data,
// uses that instead. For one thread at a time.
class DataStore {
 public:
  // Data up to this length goes unaligned into the small data region; alignment would waste half a
  // page per object. Longer data can be mapped, spliced and shared by the page.
  static constexpr std::uint64_t max_small_length = 16 * 1024;

  // All must outlive this. `base` may be null.
  DataStore(RegionSetWriter& regions, ObjectIndex& objects, const Image* base);

  // Stores a stream of `data`, whose digest is `digest`. If it `has_holes`, blocks of zeros become
  // holes. Throws Error.
  Stream put(ByteView data, const Digest& digest, DataPlacement placement, bool has_holes);

  // For data that does not fit in memory: the region for an extent of `size` bytes, a search for
  // equal data, and a note that there is some now. `equals` says whether data of the base image is
  // equal; if it throws Error, the data counts as different.
  RegionWriter& data_region(std::uint64_t size);
  using Equals = std::function<bool(const Stream& other)>;
  std::optional<Stream> find_equal(const ObjectId& id, const Equals& equals) const;
  void add(const ObjectId& id, format::RegionOffset offset) { objects_.add(id, offset); }

  const Image* base() const noexcept { return base_; }

 private:
  bool base_has(const Stream& stream, ByteView data) const;
  format::RegionOffset append(ByteView data, DataPlacement placement, bool has_holes);

  RegionSetWriter& regions_;
  ObjectIndex& objects_;
  const Image* base_;
};

}  // namespace cim
