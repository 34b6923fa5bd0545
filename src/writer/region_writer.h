// A region file being built.
#pragma once

#include <span>
#include <vector>

#include <cim/image.h>

#include "format/layout.h"
#include "writer/pending_file.h"

namespace cim {

// Appends objects to a new region file. Collects small objects in a buffer; reserves extents for
// larger ones, which are then written in place. Parts that are never written stay holes. For one
// thread at a time.
class RegionWriter {
 public:
  // `region_index` is the file's index in region offsets.
  RegionWriter(PendingFile file, RegionType type, std::uint16_t region_index);

  RegionType type() const noexcept { return type_; }
  std::uint16_t region_index() const noexcept { return region_index_; }
  std::uint64_t end() const noexcept { return end_; }  // bytes
  bool is_empty() const noexcept { return end_ == sizeof(format::RegionHeader); }
  PendingFile& file() noexcept { return file_; }

  // Appends a copy of `object` and returns where it is. Throws Error.
  format::RegionOffset append(ByteView object);

  // Reserves an extent of `length` zeros at the end. Throws Error.
  format::RegionOffset reserve(std::uint64_t length);

  // Writes to a reserved extent. Throws Error.
  void write_at(std::uint64_t byte_offset, ByteView data);

  // Makes the first `length` bytes of a reserved extent, a number of whole blocks, share the blocks
  // of the file `fd`. Returns false and changes nothing where the file system cannot.
  bool share(int fd, std::uint64_t byte_offset, std::uint64_t length) noexcept;

  // Drops the extent that reserve() returned last. Nothing may have been added since. Throws Error.
  void give_back();

  // Brings the file to its final contents and size, padded as if another object followed. Throws
  // Error.
  void finish();

 private:
  std::uint64_t padding() const noexcept;
  void set_size(std::uint64_t size);
  void flush();
  void align();
  void write_to_file(std::uint64_t byte_offset, ByteView data);
  void start_writeback(std::uint64_t end, std::uint64_t at_least) noexcept;

  PendingFile file_;
  RegionType type_;
  std::uint16_t region_index_;
  std::vector<std::byte> buffer_;  // the last bytes before end_
  std::uint64_t end_ = 0;
  std::uint64_t end_before_reserve_ = 0;
  std::uint64_t writeback_end_ = 0;  // everything before it has been sent to the disk
  std::uint64_t waiting_ = 0;        // bytes that have been written since then
};

}  // namespace cim
