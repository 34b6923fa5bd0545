// What an image handle and a stream handle stand for: a Writer that many threads may call.
#pragma once

#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

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
  explicit ImageSession(const Writer::Options& options)
      : directory_(options.directory), can_be_merged_(!options.existing), writer_(options) {}

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
    prepare_change();
    attempt([&] { change(writer_); });
  }

  // Adds an image of the directory, `image` is its name or path, below those added before. They are
  // merged by the next call of another function, which then also throws what Writer::merge()
  // throws. Throws Error: invalid_argument after any other call, if this image builds on another or
  // if `image` is in another directory; and what Image's constructor throws.
  void add_layer(const std::string& image);

  // What Writer::find() returns. Throws Error (invalid_argument) after commit().
  Writer::Kind find(std::u16string_view path);

  // Writer::commit(). Throws as open_stream() does.
  void commit();

 private:
  friend class StreamSession;

  void require_uncommitted() const;
  void require_changeable() const;

  // Merges the layers if that was not done yet.
  void merge_layers();
  void prepare_change();

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

  const std::string directory_;
  mutable std::mutex mutex_;         // guards all below, and the StreamSession's members
  bool can_be_merged_;               // nothing was done yet but to add layers
  std::vector<std::string> layers_;  // not merged yet, the topmost first
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
  prepare_change();
  stream->data_ = attempt([&] { return create(writer_); });
  stream->open_ = true;
  has_stream_ = true;
  return stream;
}

}  // namespace cim::capi
