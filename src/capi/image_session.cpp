// Serialising the calls on one image.
#include "capi/image_session.h"

namespace cim::capi {

Writer::Kind ImageSession::find(std::u16string_view path) const {
  const std::lock_guard lock(mutex_);
  require_uncommitted();
  return writer_.find(path);
}

void ImageSession::commit() {
  const std::lock_guard lock(mutex_);
  require_changeable();
  if (out_of_memory_) throw std::bad_alloc();
  writer_.commit();
  committed_ = true;
}

void ImageSession::require_uncommitted() const {
  if (committed_) throw Error(Errc::invalid_argument, "the image is committed already");
}

void ImageSession::require_changeable() const {
  require_uncommitted();
  if (has_stream_) throw Error(Errc::sharing_violation, "a stream of the image is open");
}

void StreamSession::write(ByteView data) {
  const std::lock_guard lock(image_->mutex_);
  if (!data_) throw Error(Errc::invalid_argument, "not an open stream of a file");
  image_->attempt([&] { data_->write(data); });
}

// A stream is still open here only if there was no memory for its handle.
StreamSession::~StreamSession() {
  {
    const std::lock_guard lock(image_->mutex_);
    if (open_) image_->out_of_memory_ = true;
  }
  close();
}

void StreamSession::close() noexcept {
  const std::lock_guard lock(image_->mutex_);
  if (!open_) return;
  data_.reset();
  open_ = false;
  image_->has_stream_ = false;
}

}  // namespace cim::capi
