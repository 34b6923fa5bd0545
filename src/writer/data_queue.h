// Stores the data of streams beside the thread that brings it.
#pragma once

#include <condition_variable>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include <cim/error.h>

#include "format/layout.h"
#include "writer/data_batch.h"
#include "writer/data_store.h"
#include "writer/data_writer.h"

namespace cim {

// Takes streams one after the other, and has a thread of its own hash and write them, many at a
// time but in the same order: so a program reads its next files meanwhile, and the image does not
// depend on who is faster. What goes wrong there is thrown by a later call, and again by each one
// after that.
//
// Memory is bounded: a caller who is too fast waits. The destructor drops what is not stored yet.
// For one thread at a time.
class DataQueue {
 public:
  // `store` must outlive this.
  explicit DataQueue(DataStore& store) : store_(store) {}
  DataQueue(const DataQueue&) = delete;
  DataQueue& operator=(const DataQueue&) = delete;

  // Starts a stream of `size` bytes, below 2^48. Throws Error.
  void begin(std::uint64_t size, DataPlacement placement = DataPlacement::by_size);

  // Adds data to it, which must not reach past its size. Throws Error.
  void write_at(std::uint64_t offset, ByteView data);

  // Makes the stream share the blocks of the open file `fd`, of the same size. Returns whether that
  // worked; the data must be written all the same, and be what the file holds. Throws Error.
  bool share(int fd);

  // Ends it. Its record is put to `target` by a later call of this thread, at the latest wait().
  // Throws Error.
  void end(format::Stream& target);

  // Waits until all is stored. Throws Error.
  void wait();

 private:
  void hand_over();
  void collect();
  void run(const std::stop_token& stop);

  DataStore& store_;
  std::uint64_t size_ = 0;  // of the open stream
  bool is_whole_ = false;   // it is to be in one batch
  DataBatch filling_;
  std::vector<DataBatch> empty_;

  std::mutex mutex_;
  std::condition_variable_any work_;
  std::condition_variable progress_;
  std::deque<DataBatch> pending_;  // the first is being stored
  std::vector<DataBatch> stored_;
  std::optional<Error> failure_;
  const Error out_of_memory_ =  // for the thread to have when it is
      Error(Errc::out_of_memory, "not enough memory for the data of a stream");

  std::optional<DataWriter> large_;  // belongs to the thread while something is pending
  std::jthread thread_;              // started by the first batch; the first member to be destroyed
};

}  // namespace cim
