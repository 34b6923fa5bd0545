#include "prefetch.h"

#include <algorithm>

#include "inode.h"

namespace cim {
namespace {

// The most that one read may cause to be sent.
constexpr std::uint64_t max_bytes = 4 << 20;

// 2 << confidence files are sent ahead.
constexpr unsigned max_confidence = 5;

// How many files a reader in order may skip, as they are cached already, or directories.
constexpr FileId max_gap = 16;

constexpr std::size_t max_pending = 16;

// Whether the data of `file` is small enough to be sent; an empty file has none to send.
bool is_small(const File& file) {
  return file.stream.type == StreamType::data && file.reparse_tag == 0 && !file.stream.sparse &&
         file.stream.length <= ReadAround::max_small_file;
}

}  // namespace

Prefetcher::Prefetcher(const Image& image, FileId root, ReadAround& read_around, unsigned max_files)
    : image_(image), root_(root), read_around_(read_around), max_files_(max_files) {}

// The run that a read of the file continues, if there is one.
Prefetcher::Run* Prefetcher::run_at(FileId id) noexcept {
  const auto run = std::find_if(runs_.begin(), runs_.end(), [id](const Run& candidate) {
    return candidate.next != 0 && id > candidate.last_read && id <= candidate.next + max_gap;
  });
  return run == runs_.end() ? nullptr : &*run;
}

Prefetcher::Run& Prefetcher::oldest_run() noexcept {
  return *std::min_element(runs_.begin(), runs_.end(), [](const Run& left, const Run& right) {
    return left.number < right.number;
  });
}

// Whether `file` is the first of its directory that a reader in order reads.
bool Prefetcher::starts_directory(const File& file) const {
  for (FileId id = file.id - 1; id > 0 && file.id - id <= max_gap; --id) {
    const File previous = image_.file(id);
    if (previous.parent != file.parent) return true;
    if (!previous.is_directory() && previous.stream.length > 0) return false;
  }
  return file.id <= max_gap;
}

void Prefetcher::observe(const File& file) {
  Run* const known = run_at(file.id);
  Run& run = known != nullptr ? *known : oldest_run();
  run.last_read = file.id;
  run.number = ++reads_;
  if (known != nullptr && file.id < run.next) return;  // the reader was faster than us
  run.next = file.id + 1;
  if (known != nullptr) {
    confidence_ = std::min(confidence_ + 1, max_confidence);
  } else if (!starts_directory(file)) {
    confidence_ /= 2;
  }
  if (confidence_ == 0 || pending_.size() == max_pending) return;
  const FileId files = std::min(max_files_, 2U << confidence_);
  const FileId end = std::min(image_.file_id_limit(), file.id + files);
  if (end == file.id) return;
  run.next = end + 1;
  pending_.push_back({file.id + 1, end, &run});
  work_.notify_one();
}

void Prefetcher::note_descent() noexcept {
  if (has_descended_) return;
  {
    const std::lock_guard lock(mutex_);
    has_descended_ = true;
  }
  work_.notify_one();
}

void Prefetcher::note_read(const File& file) noexcept {
  if (max_files_ == 0) return;
  const std::unique_lock lock(mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return;
  try {
    observe(file);
  } catch (const std::exception&) {
    // A file before it is broken. Whoever reads that one gets the error.
  }
}

void Prefetcher::give_up_for_now() {
  const std::lock_guard lock(mutex_);
  confidence_ = 0;
  pending_.clear();
}

// Gives up sending the files from `end` on. Returns false and changes nothing if the reader has got
// there meanwhile: note_read() relies on us to send the rest.
bool Prefetcher::end_early(const Range& range, FileId end) {
  const std::lock_guard lock(mutex_);
  const FileId last_read = range.run->last_read;
  if (end <= last_read && last_read <= range.last) return false;
  if (range.run->next == range.last + 1) range.run->next = end;
  return true;
}

// Reads the files ahead, so as not to wait for the disk file by file. Shortens the range to what
// may be sent at once.
void Prefetcher::read_ahead(Range& range) {
  std::uint64_t bytes = 0;
  for (FileId id = range.first; id <= range.last; ++id) {
    const File file = image_.file(id);
    if (!is_small(file)) continue;
    bytes += file.stream.length;
    if (bytes > max_bytes && end_early(range, id)) {
      range.last = id - 1;
      return;
    }
    read_around_.prepare(image_, file.stream, 0, file.stream.length);
  }
}

// Returns false if the kernel does not want the file.
bool Prefetcher::send(fuse_session* session, const File& file) {
  buffer_.resize(file.stream.length);
  if (image_.read(file.stream, 0, buffer_) == 0) return true;
  fuse_bufvec data = {};
  data.count = 1;
  data.buf[0].size = buffer_.size();
  data.buf[0].mem = buffer_.data();
  data.buf[0].fd = -1;
  // Fails for an inode that nobody has looked up, and that nobody is about to read.
  return fuse_lowlevel_notify_store(session, inode_of(file.id, root_), 0, &data,
                                    fuse_buf_copy_flags{}) == 0;
}

void Prefetcher::send(fuse_session* session, Range range, const std::stop_token& stop) {
  read_ahead(range);
  const FileId directory = image_.file(range.first - 1).parent;
  for (FileId id = range.first; id <= range.last && !stop.stop_requested(); ++id) {
    const FileId last_read = range.run->last_read;
    if (id <= last_read && last_read <= range.last) continue;
    const File file = image_.file(id);
    if (!is_small(file) || send(session, file)) continue;
    // The file's directory has not been listed. If it is the one being read, stop sending.
    if (file.parent == directory) return give_up_for_now();
    if (end_early(range, id)) return;
  }
}

// Returns false if asked to stop.
bool Prefetcher::wait_for_use(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  return work_.wait(lock, stop, [this] { return has_descended_ || !pending_.empty(); });
}

void Prefetcher::run(fuse_session* session, std::stop_token stop) {
  if (!wait_for_use(stop)) return;
  image_.read_metadata_ahead();
  if (max_files_ == 0) return;
  while (!stop.stop_requested()) {
    std::unique_lock lock(mutex_);
    if (!work_.wait(lock, stop, [this] { return !pending_.empty(); })) return;
    const Range range = pending_.front();
    pending_.pop_front();
    lock.unlock();
    try {
      send(session, range, stop);
    } catch (const std::exception&) {
      // One of the files is broken, likewise.
    }
  }
}

}  // namespace cim
