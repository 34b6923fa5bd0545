// Stores the data of streams in a thread of its own.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include <cim/error.h>

#include "format/layout.h"
#include "writer/data_batch.h"
#include "writer/data_store.h"
#include "writer/data_writer.h"

namespace cim {

// Takes streams one after the other; its own thread hashes and writes them, many at a time but in
// the same order. So a program can read its next files meanwhile, and the image does not depend on
// timing. If that thread fails, a later call throws the error, and so does every call after it.
//
// Memory is bounded: a caller that is too fast has to wait. The destructor drops data that is not
// stored yet. For one thread at a time.
class DataQueue {
 public:
  // `store` must outlive this.
  explicit DataQueue(DataStore& store) : store_(store) {}
  DataQueue(const DataQueue&) = delete;
  DataQueue& operator=(const DataQueue&) = delete;

  // Starts a stream of `size` bytes, below 2^48. Throws Error.
  void begin(std::uint64_t size, DataPlacement placement = DataPlacement::by_size);

  // Where to put the data of the open stream from `offset` on: room for `length` bytes, or for
  // fewer, but at least one. They must not reach past the stream's size. end_write() then takes as
  // many bytes as have been put there. Both throw Error.
  std::span<std::byte> begin_write(std::uint64_t offset, std::uint64_t length);
  void end_write(std::uint64_t offset, std::size_t length);

  // Makes the stream share the blocks of the open file `fd`, which must have the same size. Returns
  // whether that worked. Either way the file's data must still be written to the stream. Throws
  // Error.
  bool share(int fd);

  // Ends the stream. A later call on this thread, wait() at the latest, writes its record to
  // `target`. Throws Error.
  void end(format::Stream& target);

  // Waits until everything is stored. Throws Error.
  void wait();

 private:
  void hand_over();
  void collect();
  void run(const std::stop_token& stop);

  DataStore& store_;
  std::uint64_t size_ = 0;  // of the open stream
  bool is_whole_ = false;   // it goes into one batch
  DataBatch filling_;
  std::vector<DataBatch> empty_;

  std::mutex mutex_;
  std::condition_variable_any work_;
  std::condition_variable progress_;
  std::deque<DataBatch> pending_;  // the first is being stored
  std::vector<DataBatch> stored_;
  std::optional<Error> failure_;
  const Error out_of_memory_ =  // made in advance, while there is memory
      Error(Errc::out_of_memory, "not enough memory for the data of a stream");

  std::optional<DataWriter> large_;  // belongs to the thread while something is pending
  std::jthread thread_;              // started by the first batch; the first member to be destroyed
};

}  // namespace cim
