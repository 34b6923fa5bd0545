// The metadata objects of an image being written.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <cim/image.h>

#include "format/layout.h"
#include "image/digest.h"
#include "writer/object_index.h"
#include "writer/region_set_writer.h"

namespace cim {

// Appends objects to the metadata region, and keeps the object ids of all of them. For one thread
// at a time; nothing else may use the region meanwhile.
class MetadataStore {
 public:
  // All must outlive this. `base` may be null; `base_objects` lists its objects.
  MetadataStore(RegionSetWriter& regions, const ObjectIndex& base_objects, const Image* base);

  // Makes the metadata region if nothing is stored yet. Call it before another thread uses the
  // regions. Throws Error.
  RegionWriter& region();

  // Stores an object that may have equals: equal objects are stored once, or not at all if the base
  // image has one. Returns 0 if it is empty. Throws Error.
  format::RegionOffset intern(ByteView object);

  // Stores an object that has no equals. Throws Error.
  format::RegionOffset append(ByteView object);

  // The object ids of all stored objects, in the order of an object id file. Call it once, at the
  // end. Throws Error.
  std::vector<format::ObjectIdEntry> take_object_ids();

 private:
  bool base_has(format::RegionOffset offset, ByteView object) const;
  format::RegionOffset find_or_store(ByteView object);
  void add(format::RegionOffset offset, ByteView object, const Digest& digest);
  void digest_waiting();

  RegionSetWriter& regions_;
  RegionWriter* region_ = nullptr;  // until something is stored
  const ObjectIndex& base_objects_;
  const Image* base_;
  std::vector<format::ObjectIdEntry> ids_;

  std::unordered_map<ObjectId, format::RegionOffset, ObjectIdHash> interned_;

  // The objects interned last, by content: most files of a tree share metadata with others.
  std::unordered_map<std::string, format::RegionOffset> recent_;
  std::size_t recent_size_ = 0;  // bytes of content

  // Copies of the objects appended last, back to back, so that many are digested at once.
  std::vector<std::byte> waiting_bytes_;
  std::vector<format::ObjectIdEntry> waiting_;  // not digested yet
};

}  // namespace cim
