// What data an image already has: the index by which equal files take the space of one.
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
    // Of all of the digest: short data is its own, and much of it starts alike.
    const std::string_view digest(reinterpret_cast<const char*>(id.digest.data()),
                                  id.digest.size());
    return std::hash<std::string_view>()(digest) + id.length;
  }
};

// The objects of the image being written, and those of the images that it builds on. The latter
// come from object id files, which may be missing, foreign or wrong: they are hints, and whoever
// uses one compares the data. For one thread at a time, but for find_base().
class ObjectIndex {
 public:
  // `base` may be null. Object id files that cannot be read, or that have digests of another kind,
  // are passed over.
  ObjectIndex(const Image* base, int directory_fd, const std::string& directory);

  void add(const ObjectId& id, format::RegionOffset offset);

  // Where data written by this image is.
  std::optional<format::RegionOffset> find_own(const ObjectId& id) const;

  // Where the images that this one builds on claim to have it. May be called from many threads at
  // once.
  std::optional<format::RegionOffset> find_base(const ObjectId& id) const;

  // The entries for the object id file of the region `region_index`, in order.
  std::vector<format::ObjectIdEntry> entries(std::uint16_t region_index) const;

 private:
  struct Table {
    Table(std::uint16_t index, ObjectIds&& ids) : region_index(index), entries(std::move(ids)) {}

    std::uint16_t region_index;
    ObjectIds entries;
    std::once_flag sorted;  // at the first use: that reads all of them
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
  std::vector<std::uint32_t> slots_;  // of own_, counted from 1; 0: empty; at most half are not
  mutable std::deque<Table> base_;
};

}  // namespace cim
