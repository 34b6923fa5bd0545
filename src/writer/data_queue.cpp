#include "writer/data_queue.h"

#include <algorithm>
#include <csignal>
#include <utility>

#include "format/bytes.h"
#include "image/base.h"

namespace cim {

namespace {

constexpr std::size_t max_batch_bytes = 256 * 1024;
constexpr std::size_t max_batch_steps = 512;
constexpr std::size_t max_pending = 16;

}  // namespace

void DataQueue::begin(std::uint64_t size) { add({Step::Kind::begin, size}); }

void DataQueue::end(format::Stream& target) {
  add({.kind = Step::Kind::end, .position = 0, .target = &target});
}

void DataQueue::write_at(std::uint64_t offset, ByteView data) {
  while (!data.empty()) {
    const std::size_t room = max_batch_bytes - filling_.bytes.size();
    const ByteView part = data.first(std::min(room, data.size()));
    format::append(filling_.bytes, part);
    add({Step::Kind::write, offset, part.size()});
    offset += part.size();
    data = data.subspan(part.size());
  }
}

bool DataQueue::share(int fd) {
  wait();
  return stream_->share(fd);
}

void DataQueue::add(const Step& step) {
  filling_.steps.push_back(step);
  if (filling_.steps.size() >= max_batch_steps || filling_.bytes.size() >= max_batch_bytes) {
    hand_over();
  }
}

void DataQueue::hand_over() {
  if (!thread_.joinable()) {
    stored_.reserve(max_pending);  // as many as can be until the next collect()
    thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
  }
  {
    std::unique_lock lock(mutex_);
    progress_.wait(lock, [this] { return pending_.size() < max_pending; });
    collect();
    pending_.push_back(std::move(filling_));
  }
  work_.notify_one();
  filling_ = {};
  if (empty_.empty()) return;
  filling_ = std::move(empty_.back());
  empty_.pop_back();
}

void DataQueue::wait() {
  if (!filling_.steps.empty()) hand_over();
  std::unique_lock lock(mutex_);
  progress_.wait(lock, [this] { return pending_.empty(); });
  collect();
}

// Puts the records of finished streams where they belong. With the mutex held.
void DataQueue::collect() {
  if (failure_) throw Error(*failure_);
  for (Batch& batch : stored_) {
    for (const Step& step : batch.steps) {
      if (step.kind == Step::Kind::end) *step.target = encode_stream(step.result);
    }
    batch.steps.clear();
    batch.bytes.clear();
    empty_.push_back(std::move(batch));
  }
  stored_.clear();
}

void DataQueue::run(const std::stop_token& stop) {
  // Signals are for the threads of the program that uses us.
  sigset_t all;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, nullptr);
  std::unique_lock lock(mutex_);
  while (work_.wait(lock, stop, [this] { return !pending_.empty(); }) && !stop.stop_requested()) {
    Batch& batch = pending_.front();  // stays where it is while others are added
    const bool failed = failure_.has_value();
    lock.unlock();
    std::optional<Error> failure;
    try {
      if (!failed) store(batch);
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

void DataQueue::store(Batch& batch) {
  ByteView bytes = batch.bytes;
  for (Step& step : batch.steps) {
    switch (step.kind) {
      case Step::Kind::begin:
        stream_.emplace(store_, step.position);
        break;
      case Step::Kind::write:
        stream_->write_at(step.position, bytes.first(step.length));
        bytes = bytes.subspan(step.length);
        break;
      case Step::Kind::end:
        step.result = stream_->finish();
        stream_.reset();
        break;
    }
  }
}

}  // namespace cim
