// Stores executables as Windows does.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include <cim/metadata.h>

#include "format/layout.h"
#include "format/pe_layout.h"
#include "writer/data_queue.h"
#include "writer/metadata_store.h"

namespace cim {

// Stands before a DataQueue and moves the sections of executables apart, see format/pe_layout.h.
// Passes on all other data as it is, and also an executable whose headers are not written first.
//
// Uses memory for the headers of the open stream, at most 64 KiB, and for the mappings of all
// executables until write_objects(). For one thread at a time.
class ExecutableExpander {
 public:
  // `queue` must outlive this; all streams must go through this.
  explicit ExecutableExpander(DataQueue& queue) : queue_(queue) {}
  ExecutableExpander(const ExecutableExpander&) = delete;
  ExecutableExpander& operator=(const ExecutableExpander&) = delete;

  // Like the functions of DataQueue. `expand`: check whether the stream is an executable.
  void begin(std::uint64_t size, bool expand);
  std::span<std::byte> begin_write(std::uint64_t offset, std::uint64_t length);
  void end_write(std::uint64_t offset, std::size_t length);
  bool share(int fd);
  void end(format::Stream& target);

  // Call this before another stream than the one that ended with `target` ends with it.
  void forget(const format::Stream& target);

  // Writes, in stream order, the objects that tell a reader where the parts of the executables are,
  // and points their records to them. Call it once the queue has stored everything. Throws Error.
  void write_objects(MetadataStore& store);

 private:
  struct Executable {
    format::Stream* record;
    std::uint64_t length;
    format::PeLayout layout;
  };

  bool needs_more() const;
  void decide();
  void pass_on_head();
  format::PePart place_of(std::uint64_t offset, std::uint64_t length) const;

  DataQueue& queue_;
  std::vector<Executable> executables_;

  // Of the open stream:
  std::uint64_t size_ = 0;
  bool decided_ = true;                     // it is known to be one or not, and begun in the queue
  std::vector<std::byte> head_;             // its first bytes, until decided
  bool writes_head_ = false;                // the open write adds to them
  std::optional<format::PeLayout> layout_;  // if it is an executable
};

}  // namespace cim
