// Sends small files to the kernel before it asks for them.
#pragma once

#include <array>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <stop_token>
#include <vector>

#include <cim/image.h>
#include <fuse_lowlevel.h>

#include "read_around.h"

namespace cim {

// Watches which files are read. While they are read in the order of their ids, it stores the next
// files in the page cache, so that reading those takes no request at all. How many depends on
// success: the number doubles while reads continue where the last batch ended, and halves with each
// read elsewhere, down to none.
//
// Writers usually number files in the order of a walk, but the format does not require it. An image
// that is numbered otherwise is served without prefetching.
class Prefetcher {
 public:
  // Sends at most `max_files` files ahead of a reader; 0: none. The others must outlive it.
  Prefetcher(const Image& image, FileId root, ReadAround& read_around, unsigned max_files);

  // Call when somebody looks into a directory below the root. Thread-safe.
  void note_descent() noexcept;

  // Call when the first byte of `file` has been read. Does not wait: ignores the read while another
  // thread is in here. Thread-safe.
  void note_read(const File& file) noexcept;

  // Once somebody has descended or there are files to send, reads the metadata ahead; not earlier,
  // since the disk may be slow and whoever mounts would wait for it. Then sends what note_read()
  // finds worth sending, until `stop`. Needs a thread that answers no requests: storing a page
  // waits for a read of it in progress.
  void run(fuse_session* session, std::stop_token stop);

 private:
  // How far one reader has come.
  struct Run {
    std::atomic<FileId> last_read = 0;
    FileId next = 0;           // the first id that is not yet queued
    std::uint64_t number = 0;  // of its last read
  };

  // Files with the ids `first` to `last`, for a run.
  struct Range {
    FileId first;
    FileId last;
    Run* run;
  };

  static constexpr std::size_t max_runs = 16;

  Run* run_at(FileId id) noexcept;
  Run& oldest_run() noexcept;
  bool starts_directory(const File& file) const;
  void observe(const File& file);
  bool wait_for_use(const std::stop_token& stop);
  void read_ahead(Range& range);
  void send(fuse_session* session, Range range, const std::stop_token& stop);
  bool send(fuse_session* session, const File& file);
  bool end_early(const Range& range, FileId end);
  void give_up_for_now();

  const Image& image_;
  const FileId root_;
  ReadAround& read_around_;
  const unsigned max_files_;

  std::atomic<bool> has_descended_ = false;
  std::mutex mutex_;
  std::condition_variable_any work_;
  std::deque<Range> pending_;
  std::array<Run, max_runs> runs_ = {};
  std::uint64_t reads_ = 0;
  unsigned confidence_ = 1;

  std::vector<std::byte> buffer_;  // of run()
};

}  // namespace cim
