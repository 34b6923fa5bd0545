// What is handed over at once to the thread that stores data.
#pragma once

#include <optional>
#include <vector>

#include <cim/image.h>

#include "format/layout.h"
#include "writer/data_store.h"
#include "writer/data_writer.h"

namespace cim {

// A group of streams, in order. Those that fit are in a batch as a whole, so that all of them are
// digested at once; a larger one goes through several batches in parts. For one thread at a time.
class DataBatch {
 public:
  // Bytes of data.
  static constexpr std::size_t capacity = 8 << 20;

  DataBatch() { bytes_.reserve(capacity); }

  bool is_empty() const noexcept { return steps_.empty(); }
  bool is_full() const noexcept { return room() == 0 || steps_.size() >= max_steps; }
  std::size_t room() const noexcept { return capacity - bytes_.size(); }

  // Adds a stream of `size` bytes, for which there must be room, with all its data. Until it is
  // ended, that can be written in any order, and nothing else can be added.
  void begin_whole(std::size_t size, DataPlacement placement);
  void write_whole(std::uint64_t offset, ByteView data);
  void end_whole(format::Stream& target);

  // Takes the stream back that was begun last. Returns false, changing nothing, if some of it has
  // been written.
  bool take_back_whole();

  // Add a part of a stream of any size: its beginning, data for which there must be room, its end.
  void begin_large(std::uint64_t size);
  void write_large(std::uint64_t offset, ByteView data);
  void end_large(format::Stream& target);

  // Digests the whole streams, unless that has been done. To be called once all are added.
  void digest();

  // Stores all that was added, digested or not. `large` is the large stream of which only parts
  // were added so far. Throws Error.
  void store(DataStore& store, std::optional<DataWriter>& large);

  // Puts the records of the streams that have been stored where they belong, and empties the batch.
  void finish();

 private:
  static constexpr std::size_t max_steps = 4096;

  struct Step {
    enum class Kind { whole, begin, write, end } kind;
    std::uint64_t position = 0;        // begin: the stream's size; write: the offset in it
    std::size_t start = 0;             // whole, write: of the data in bytes_
    std::size_t length = 0;            // whole, write: of the data
    DataPlacement placement = {};      // whole
    bool has_holes = false;            // whole: pages of it may never have been written
    format::Stream* target = nullptr;  // whole, end
    Stream result = {};                // whole, end
  };

  void fill_with_zeros(Step& whole, std::size_t length);
  ByteView data_of(const Step& step) const;

  std::vector<Step> steps_;
  std::vector<std::byte> bytes_;
  std::vector<Digest> digests_;  // of the whole streams
};

}  // namespace cim
