// Serialising the calls on one image.
#include "capi/image_session.h"

#include <boost/filesystem.hpp>
#include <cim/image.h>

#include "image/region.h"

namespace cim::capi {

namespace {

// The name of the image `image`, its name in `directory` or its path.
std::string name_in(const std::string& directory, const std::string& image) {
  const std::size_t slash = image.rfind('/');
  if (slash == std::string::npos) return image;
  boost::system::error_code error;
  const std::string found = slash == 0 ? "/" : image.substr(0, slash);
  if (boost::filesystem::equivalent(directory, found, error)) return image.substr(slash + 1);
  throw Error(Errc::invalid_argument, "is not in the directory of the image that is made")
      .with_image(image);
}

}  // namespace

void ImageSession::add_layer(const std::string& image) {
  const std::lock_guard lock(mutex_);
  require_changeable();
  if (!can_be_merged_) {
    throw Error(Errc::invalid_argument, "the image is not new, or is changed already");
  }
  const std::string name = name_in(directory_, image);
  const Image checked(path_in(directory_, name));
  layers_.push_back(name);
}

// A failed merge changes nothing, so it can be tried again.
void ImageSession::merge_layers() {
  can_be_merged_ = false;
  if (layers_.empty()) return;
  attempt([&] { writer_.merge(layers_); });
  layers_.clear();
}

void ImageSession::prepare_change() {
  require_changeable();
  merge_layers();
}

Writer::Kind ImageSession::find(std::u16string_view path) {
  const std::lock_guard lock(mutex_);
  require_uncommitted();
  merge_layers();
  return writer_.find(path);
}

void ImageSession::commit() {
  const std::lock_guard lock(mutex_);
  prepare_change();
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
