// What an image handle and a stream handle stand for: a Writer that many threads may call.
#pragma once

#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string_view>
#include <utility>

#include <cim/writer.h>

namespace cim::capi {

class StreamSession;

// An image being written. May be called from many threads at once: calls wait for each other. It is
// freed, and uncommitted changes are discarded, when both its handle and that of its open stream
// are closed: each shares ownership of it.
//
// If memory runs out in the middle of a change, nobody knows how much of it was made, so the image
// can no longer be committed.
class ImageSession : public std::enable_shared_from_this<ImageSession> {
 public:
  // Throws what Writer's constructor throws.
  explicit ImageSession(const Writer::Options& options) : writer_(options) {}

  // Opens the stream that `create(Writer&)` returns, a std::optional<WriteStream>: nothing stands
  // for the stream of a directory, which a Writer does not have but callers must close all the
  // same. Throws Error: sharing_violation if one is open, invalid_argument after commit(); and what
  // `create` throws.
  template <typename Create>
  std::shared_ptr<StreamSession> open_stream(Create create);

  // Calls `change(Writer&)`. Throws as open_stream() does.
  template <typename Change>
  void change(Change change) {
    const std::lock_guard lock(mutex_);
    require_changeable();
    attempt([&] { change(writer_); });
  }

  // What Writer::find() returns. Throws Error (invalid_argument) after commit().
  Writer::Kind find(std::u16string_view path) const;

  // Writer::commit(). Throws as open_stream() does.
  void commit();

 private:
  friend class StreamSession;

  void require_uncommitted() const;
  void require_changeable() const;

  // Returns `action()`, and remembers if memory runs out in it.
  template <typename Action>
  auto attempt(Action&& action) {
    try {
      return action();
    } catch (const std::bad_alloc&) {
      out_of_memory_ = true;
      throw;
    }
  }

  mutable std::mutex mutex_;  // guards all below, and the StreamSession's members
  Writer writer_;
  bool has_stream_ = false;
  bool committed_ = false;
  bool out_of_memory_ = false;
};

// An open stream of an ImageSession, which it keeps alive. May be called from many threads at once:
// calls wait for each other and for those of the image.
class StreamSession {
 public:
  explicit StreamSession(std::shared_ptr<ImageSession> image) noexcept : image_(std::move(image)) {}
  StreamSession(const StreamSession&) = delete;
  StreamSession& operator=(const StreamSession&) = delete;
  ~StreamSession();

  // Throws what WriteStream::write() throws, and Error (invalid_argument) if this is a directory's
  // stream or another thread has closed it.
  void write(ByteView data);

  // The image can open another stream from here on. Closing twice does nothing.
  void close() noexcept;

 private:
  friend class ImageSession;

  std::shared_ptr<ImageSession> image_;
  bool open_ = false;
  std::optional<WriteStream> data_;  // nothing for a directory
};

template <typename Create>
std::shared_ptr<StreamSession> ImageSession::open_stream(Create create) {
  // Made first, so that nothing can fail once the stream is open.
  auto stream = std::make_shared<StreamSession>(shared_from_this());
  const std::lock_guard lock(mutex_);
  require_changeable();
  stream->data_ = attempt([&] { return create(writer_); });
  stream->open_ = true;
  has_stream_ = true;
  return stream;
}

}  // namespace cim::capi
