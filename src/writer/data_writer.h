// The data of one large stream on its way into a region.
#pragma once

#include <cim/image.h>

#include "format/layout.h"
#include "image/digest.h"
#include "image/object_data.h"
#include "writer/data_store.h"

namespace cim {

// Takes the data of one stream, in any order, and writes it straight to an extent. At the end, data
// that the image or one of its parents has already is dropped in favour of that, and data that is
// all zeros in favour of none.
class DataWriter {
 public:
  // `size` is above 0 and below 2^48. Of a store, one DataWriter is in use at a time, and nothing
  // else meanwhile. Throws Error.
  DataWriter(DataStore& store, std::uint64_t size);

  // Throws Error. `data` must not reach past the size.
  void write_at(std::uint64_t offset, ByteView data);

  // Makes the data that of the open file `fd`, of the same size, by sharing its blocks
  // (ioctl_ficlonerange(2)). Returns false, changing nothing, where that is not possible. All data
  // must be written all the same, for its digest. To be called before that. Throws Error.
  bool share(int fd);

  // The finished stream. To be called once; nothing can be written afterwards. Throws Error.
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
  std::uint64_t shared_ = 0;  // what lies before this is there already
  bool all_zeros_ = true;

  Hasher hasher_;
  std::uint64_t hashed_ = 0;   // how far the hasher has come
  std::uint64_t skipped_ = 0;  // bytes up to there that were never written
  bool in_order_ = true;       // whether it has seen all up to there

  std::uint64_t data_blocks_ = 0;  // blocks not all zeros; those written again are counted again
  std::uint64_t counted_to_ = 0;   // the block after the last one of them
  std::uint64_t written_end_ = 0;  // bytes
};

}  // namespace cim
