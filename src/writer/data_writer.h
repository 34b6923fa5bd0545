// The data of one large stream on its way into a region.
#pragma once

#include <cim/image.h>

#include "format/layout.h"
#include "image/digest.h"
#include "image/object_data.h"
#include "writer/data_store.h"

namespace cim {

// Takes the data of one stream, in any order, and writes it straight to an extent. At the end, if
// the image or one that it builds on already has equal data, uses that and drops the extent; data
// that is all zeros is not stored at all.
class DataWriter {
 public:
  // `size` is above 0 and below 2^48. Only one DataWriter of a store can be in use at a time, and
  // nothing else may use the store meanwhile. Throws Error.
  DataWriter(DataStore& store, std::uint64_t size);

  // Throws Error. `data` must not reach past the size.
  void write_at(std::uint64_t offset, ByteView data);

  // Shares the blocks of the open file `fd`, which must have the same size (ioctl_ficlonerange(2)).
  // Call it before writing any data. All data must still be written, for its digest. Returns false
  // and changes nothing where sharing is not possible. Throws Error.
  bool share(int fd);

  // Returns the finished stream. Call it once; nothing can be written afterwards. Throws Error.
  Stream finish();

 private:
  void hash_in_order(std::uint64_t offset, ByteView data);
  void count_blocks(std::uint64_t offset, ByteView data);
  bool is_mostly_zeros() const noexcept;
  FilePart extent() const;
  Digest digest();
  bool equals(const Stream& other) const;

  DataStore& store_;
  RegionWriter& region_;
  const std::uint64_t size_;
  const format::RegionOffset extent_;
  std::uint64_t shared_ = 0;  // everything before this is already there
  bool all_zeros_ = true;

  Hasher hasher_;
  std::uint64_t hashed_ = 0;   // how far the hasher has come
  std::uint64_t skipped_ = 0;  // bytes up to there that were never written
  bool in_order_ = true;       // whether it has seen everything up to there

  std::uint64_t data_blocks_ = 0;  // blocks not all zeros; those written again are counted again
  std::uint64_t counted_to_ = 0;   // the block after the last one of them
  std::uint64_t written_end_ = 0;  // bytes
};

}  // namespace cim
