// The data of one stream on its way into a region.
#pragma once

#include <unordered_map>
#include <vector>

#include <cim/image.h>

#include "format/layout.h"
#include "image/digest.h"
#include "writer/object_index.h"
#include "writer/region_set_writer.h"

namespace cim {

// What all streams of an image being written share. It and the streams are for one thread at a
// time.
class DataStore {
 public:
  // All must outlive this. `base` may be null.
  DataStore(RegionSetWriter& regions, ObjectIndex& objects, const Image* base);

  // Covers all data stored so far, in order.
  Hasher& identity() noexcept { return identity_; }

 private:
  friend class DataWriter;

  // Where data equal to that behind `id` is already; `same` compares that at an offset of a base
  // image.
  template <typename Same>
  std::optional<format::RegionOffset> find_equal(const ObjectId& id, Same&& same) const;
  void add(const ObjectId& id, format::RegionOffset offset);
  void identify(const ObjectId& id, format::RegionOffset offset);

  RegionSetWriter& regions_;
  ObjectIndex& objects_;
  const Image* base_;
  Hasher hasher_;  // of the one open stream
  Hasher identity_;

  // The streams without an object id, by the digest of their blocks that are not all zeros.
  std::unordered_map<ObjectId, format::RegionOffset, ObjectIdHash> mostly_holes_;
};

// Takes the data of one stream, in any order. Small data is collected in memory, larger data goes
// straight to its extent. At the end, data that the image or one of its parents has already is
// dropped in favour of that, and data that is all zeros in favour of none.
class DataWriter {
 public:
  // `size` is below 2^48. One DataWriter of a store is in use at a time. Throws Error.
  DataWriter(DataStore& store, std::uint64_t size);

  // Throws Error. `data` must not reach past the size.
  void write_at(std::uint64_t offset, ByteView data);

  // Makes the data that of the open file `fd`, of the same size, by sharing its blocks
  // (ioctl_ficlonerange(2)). Returns false, changing nothing, where that is not possible. All data
  // must be written all the same, for its digest. To be called before that. Throws Error.
  bool share(int fd);

  // The finished stream. To be called once; nothing can be written afterwards. Throws Error.
  Stream finish();

  // Drops the data. To be called instead of finish(). Throws Error.
  void discard();

 private:
  bool is_small() const noexcept { return extent_ == 0; }
  void hash_in_order(std::uint64_t offset, ByteView data);
  void count_blocks(std::uint64_t offset, ByteView data);
  bool is_mostly_hole() const noexcept;
  Stream finish_small();
  Stream finish_large();
  Stream finish_mostly_hole();
  Digest digest_of_extent();
  Digest digest_of_blocks();
  bool extent_equals(format::RegionOffset other);

  DataStore& store_;
  std::uint64_t size_;
  bool all_zeros_ = true;

  std::vector<std::byte> buffer_;  // of a small stream

  // Of a large stream:
  RegionWriter* region_ = nullptr;
  format::RegionOffset extent_ = 0;
  std::uint64_t shared_ = 0;  // what lies before this is there already
  std::uint64_t hashed_ = 0;  // how far the hasher has come
  bool in_order_ = true;      // whether it has seen all up to there

  std::uint64_t data_blocks_ = 0;  // blocks not all zeros; those written again are counted again
  std::uint64_t counted_to_ = 0;   // the block after the last one of them
  std::uint64_t written_end_ = 0;  // bytes
};

}  // namespace cim
