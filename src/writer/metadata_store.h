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
#include "writer/region_writer.h"

namespace cim {

// Appends objects to the metadata region, and keeps the object ids of all of them. For one thread
// at a time; the region must be used by nobody else meanwhile.
class MetadataStore {
 public:
  // All must outlive this. `base` may be null; `base_objects` tells what it has.
  MetadataStore(RegionWriter& region, const ObjectIndex& base_objects, const Image* base);

  // Stores an object that others may be equal to: equal ones are stored once, and not at all if the
  // base image has one. 0 if it is empty. Throws Error.
  format::RegionOffset intern(ByteView object);

  // Stores an object that no other is equal to. Throws Error.
  format::RegionOffset append(ByteView object);

  // The object ids of all that was stored, in the order of an object id file. To be called once, at
  // the end. Throws Error.
  std::vector<format::ObjectIdEntry> take_object_ids();

 private:
  bool base_has(format::RegionOffset offset, ByteView object) const;
  format::RegionOffset find_or_store(ByteView object);
  void add(format::RegionOffset offset, ByteView object, const Digest& digest);
  void digest_waiting();

  RegionWriter& region_;
  const ObjectIndex& base_objects_;
  const Image* base_;
  std::vector<format::ObjectIdEntry> ids_;

  std::unordered_map<ObjectId, format::RegionOffset, ObjectIdHash> interned_;

  // What was interned last, by content: most files of a tree have the metadata of others.
  std::unordered_map<std::string, format::RegionOffset> recent_;
  std::size_t recent_size_ = 0;  // bytes of content

  // Copies of the objects appended last, one behind the other, so that many are digested at once.
  std::vector<std::byte> waiting_bytes_;
  std::vector<format::ObjectIdEntry> waiting_;  // still without digests
};

}  // namespace cim
