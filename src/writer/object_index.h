// The data that an image already has, indexed so that equal files are stored once.
#pragma once

#include <deque>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cim/image.h>

#include "format/layout.h"
#include "image/digest.h"
#include "image/object_ids.h"

namespace cim {

// Identifies data by its length and digest.
struct ObjectId {
  std::uint64_t length;
  Digest digest;

  friend bool operator==(const ObjectId&, const ObjectId&) = default;
};

struct ObjectIdHash {
  std::size_t operator()(const ObjectId& id) const noexcept {
    // Over the whole digest: that of short data is the data itself, and often starts alike.
    const std::string_view digest(reinterpret_cast<const char*>(id.digest.data()),
                                  id.digest.size());
    return std::hash<std::string_view>()(digest) + id.length;
  }
};

// The objects of the image being written, and those of the images that it builds on. The latter
// come from object id files, which may be missing, foreign or wrong: they are only hints, and their
// user must compare the data. For one thread at a time, except find_base().
class ObjectIndex {
 public:
  // `base` may be null. Skips object id files that cannot be read or have digests of another kind.
  ObjectIndex(const Image* base, int directory_fd, const std::string& directory);

  void add(const ObjectId& id, format::RegionOffset offset);

  // Where this image has written the data.
  std::optional<format::RegionOffset> find_own(const ObjectId& id) const;

  // Where the images that this one builds on claim to have the data. May be called from many
  // threads at once.
  std::optional<format::RegionOffset> find_base(const ObjectId& id) const;

  // The entries for the object id file of the region `region_index`, in order.
  std::vector<format::ObjectIdEntry> entries(std::uint16_t region_index) const;

 private:
  struct Table {
    Table(std::uint16_t index, ObjectIds&& ids) : region_index(index), entries(std::move(ids)) {}

    std::uint16_t region_index;
    ObjectIds entries;
    std::once_flag sorted;  // sorted at first use, which reads all of them
  };
  static std::optional<format::RegionOffset> find(const Table& table, const ObjectId& id);

  struct Own {
    ObjectId id;
    format::RegionOffset offset;
  };
  std::size_t slot_of(const ObjectId& id) const noexcept;
  void make_slots();

  // A hash table with open addressing: with a million objects, std::unordered_map would take half
  // as much memory again, and time to free it.
  std::vector<Own> own_;
  std::vector<std::uint32_t> slots_;  // index in own_, plus 1; 0: empty, as at least half are
  mutable std::deque<Table> base_;
};

}  // namespace cim
