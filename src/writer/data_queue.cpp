#include "writer/data_queue.h"

#include <algorithm>
#include <csignal>
#include <new>
#include <utility>

namespace cim {

namespace {

constexpr std::size_t max_pending = 3;

// Leaves signals to the threads of the calling program, except those that a thread causes itself:
// if SIGBUS were blocked, the kernel would kill the process when a mapped file had become shorter,
// even if the program handles SIGBUS.
void block_signals() {
  sigset_t signals;
  sigfillset(&signals);
  for (const int own : {SIGBUS, SIGSEGV, SIGFPE, SIGILL}) sigdelset(&signals, own);
  pthread_sigmask(SIG_SETMASK, &signals, nullptr);
}

}  // namespace

void DataQueue::begin(std::uint64_t size, DataPlacement placement) {
  size_ = size;
  is_whole_ = size <= DataBatch::capacity;
  if (!is_whole_) return filling_.begin_large(size);
  if (size > filling_.room()) hand_over();
  filling_.begin_whole(size, placement);
}

std::span<std::byte> DataQueue::begin_write(std::uint64_t offset, std::uint64_t length) {
  if (is_whole_) return filling_.begin_write_whole(offset, length);
  return filling_.begin_write_large(std::min<std::uint64_t>(filling_.room(), length));
}

void DataQueue::end_write(std::uint64_t offset, std::size_t length) {
  if (is_whole_) return filling_.end_write_whole(offset, length);
  filling_.end_write_large(offset, length);
  if (filling_.is_full()) hand_over();
}

bool DataQueue::share(int fd) {
  if (is_whole_) {
    // Only data that goes straight to an extent can share blocks.
    if (size_ <= DataStore::max_small_length || !filling_.take_back_whole()) return false;
    is_whole_ = false;
    filling_.begin_large(size_);
  }
  wait();
  return large_->share(fd);
}

void DataQueue::end(format::Stream& target) {
  if (is_whole_) {
    filling_.end_whole(target);
  } else {
    filling_.end_large(target);
  }
  if (filling_.is_full()) hand_over();
}

void DataQueue::hand_over() {
  if (!thread_.joinable()) {
    stored_.reserve(max_pending);  // the most there can be before the next collect()
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  std::unique_lock lock(mutex_);
  const auto has_room = [this] { return pending_.size() < max_pending; };
  if (!has_room()) {
    lock.unlock();
    filling_.digest();  // rather than just wait, do some of the thread's work
    lock.lock();
  }
  progress_.wait(lock, has_room);
  collect();
  pending_.push_back(std::move(filling_));
  lock.unlock();
  work_.notify_one();
  if (empty_.empty()) empty_.emplace_back();
  filling_ = std::move(empty_.back());
  empty_.pop_back();
}

void DataQueue::wait() {
  if (!filling_.is_empty()) hand_over();
  std::unique_lock lock(mutex_);
  progress_.wait(lock, [this] { return pending_.empty(); });
  collect();
}

// Writes the records of finished streams to their targets. The mutex must be held.
void DataQueue::collect() {
  if (failure_) throw Error(*failure_);
  for (DataBatch& batch : stored_) {
    batch.finish();
    empty_.push_back(std::move(batch));
  }
  stored_.clear();
}

void DataQueue::run(const std::stop_token& stop) {
  block_signals();
  std::unique_lock lock(mutex_);
  while (work_.wait(lock, stop, [this] { return !pending_.empty(); }) && !stop.stop_requested()) {
    DataBatch& batch = pending_.front();  // stays where it is while others are added
    const bool failed = failure_.has_value();
    lock.unlock();
    std::optional<Error> failure;
    try {
      if (!failed) batch.store(store_, large_);
    } catch (const Error& error) {
      failure = error;
    } catch (const std::bad_alloc&) {
      failure = out_of_memory_;
    }
    lock.lock();
    if (failure) failure_ = failure;
    stored_.push_back(std::move(pending_.front()));
    pending_.pop_front();
    progress_.notify_one();
  }
}

}  // namespace cim
