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

// Watches which files are read. While they are read in the order of their ids, the files that come
// next are stored in the page cache, so that reading those takes no request at all. How far ahead
// follows from how well that went: it doubles while reads go on where the last push ended, and
// halves with each read that comes from elsewhere, down to nothing.
//
// That the ids of files follow the walk of the tree is a habit of writers, not a rule of the
// format. An image that is numbered otherwise is served without prefetching.
class Prefetcher {
 public:
  // At most `max_files` files are sent ahead of a reader; 0: none ever. The others must outlive it.
  Prefetcher(const Image& image, ReadAround& read_around, unsigned max_files);

  // To be told when somebody looks into a directory below the root. Thread-safe.
  void note_descent() noexcept;

  // To be told when the first byte of `file` has been read. Does not wait: what comes while another
  // thread is here is not looked at. Thread-safe.
  void note_read(const File& file) noexcept;

  // Once one of these has been noted, reads the metadata ahead; not before, as the disk may be slow
  // and whoever mounts waits for it. Then sends what note_read() finds worth it, until `stop`.
  // Needs a thread that answers no requests: storing a page waits for a read of it that is under
  // way.
  void run(fuse_session* session, std::stop_token stop);

 private:
  // How far somebody's reading has come.
  struct Run {
    std::atomic<FileId> last_read = 0;
    FileId next = 0;           // the first id that is not to be sent yet
    std::uint64_t number = 0;  // of the read that was seen last
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
