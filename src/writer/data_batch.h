// A batch of data for the thread that stores it.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <cim/image.h>

#include "format/layout.h"
#include "writer/data_store.h"
#include "writer/data_writer.h"

namespace cim {

// A group of streams, in order. A stream that fits is in one batch as a whole, so that many are
// digested together; a larger one passes through several batches in parts. For one thread at a
// time.
class DataBatch {
 public:
  // Bytes of data.
  static constexpr std::size_t capacity = 8 << 20;

  DataBatch() : bytes_(std::make_unique_for_overwrite<std::byte[]>(capacity)) {}

  bool is_empty() const noexcept { return steps_.empty(); }
  bool is_full() const noexcept { return room() == 0 || steps_.size() >= max_steps; }
  std::size_t room() const noexcept { return capacity - used_; }

  // Adds a whole stream of `size` bytes, for which there must be room. Its data can be written in
  // any order until the stream is ended; nothing else can be added before that. To write, put up to
  // `length` bytes where begin_write_whole() says, then say how many they are.
  void begin_whole(std::size_t size, DataPlacement placement);
  std::span<std::byte> begin_write_whole(std::uint64_t offset, std::size_t length);
  void end_write_whole(std::uint64_t offset, std::size_t length);
  void end_whole(format::Stream& target);

  // Removes the stream begun last. Returns false and changes nothing if some of it has been
  // written.
  bool take_back_whole();

  // Add part of a stream of any size: its beginning, data for which there is room, its end.
  void begin_large(std::uint64_t size);
  std::span<std::byte> begin_write_large(std::size_t length);
  void end_write_large(std::uint64_t offset, std::size_t length);
  void end_large(format::Stream& target);

  // Digests the whole streams if that has not been done yet. Call it once all are added.
  void digest();

  // Stores everything that was added, digested or not. `large` holds the large stream that is still
  // incomplete. Throws Error.
  void store(DataStore& store, std::optional<DataWriter>& large);

  // Writes the records of the stored streams to their targets, and empties the batch.
  void finish();

 private:
  static constexpr std::size_t max_steps = 4096;

  struct Step {
    enum class Kind { whole, begin, write, end } kind;
    std::uint64_t position = 0;        // begin: the stream's size; write: the offset in it
    std::size_t start = 0;             // whole, write: in bytes_
    std::size_t length = 0;            // whole, write
    DataPlacement placement = {};      // whole
    bool has_holes = false;            // whole: some pages may never have been written
    format::Stream* target = nullptr;  // whole, end
    Stream result = {};                // whole, end
  };

  std::span<std::byte> bytes_at(std::size_t position, std::size_t length) noexcept;
  void fill_with_zeros(Step& whole, std::size_t length);
  ByteView data_of(const Step& step) const;

  std::vector<Step> steps_;
  std::unique_ptr<std::byte[]> bytes_;  // `capacity` of them
  std::size_t used_ = 0;                // how many of them hold data
  std::vector<Digest> digests_;         // of the whole streams
};

}  // namespace cim
