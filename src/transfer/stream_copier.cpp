// The data of streams of an image -> files on disk.
#include "transfer/stream_copier.h"

#include <algorithm>
#include <cerrno>
#include <span>

#include <unistd.h>

#include "format/layout.h"
#include "image/file_io.h"
#include "transfer/unstorable.h"

namespace cim::transfer {
namespace {

constexpr std::size_t buffer_size = 1 << 20;

// The limit for one copy_file_range(2), so that progress is shown and signals are noticed.
constexpr std::uint64_t kernel_copy_size = 16 << 20;

}  // namespace

StreamCopier::StreamCopier(const Image& image, Progress& progress)
    : image_(image), progress_(progress), buffer_(buffer_size) {}

void StreamCopier::copy(const Stream& stream, int fd, const std::string& path) {
  if (stream.length <= format::page_size && !stream.sparse) {
    copy_range(stream, 0, stream.length, fd, path);
    return;
  }
  std::uint64_t end = 0;
  while (const auto data = image_.seek(stream, end, true)) {
    end = image_.seek(stream, *data, false).value_or(stream.length);
    copy_range(stream, *data, end, fd, path);
  }
  if (end == stream.length) return;
  if (ftruncate(fd, static_cast<off_t>(stream.length)) != 0) throw_unstorable(errno, path);
}

void StreamCopier::copy_range(const Stream& stream, std::uint64_t offset, std::uint64_t end, int fd,
                              const std::string& path) {
  while (offset < end) {
    const std::uint64_t length = end - offset < buffer_.size()
                                     ? copy_by_buffer(stream, offset, end, fd, path)
                                     : copy_in_kernel(stream, offset, end, fd, path);
    progress_.advance({.bytes = length});
    offset += length;
  }
}

std::uint64_t StreamCopier::copy_in_kernel(const Stream& stream, std::uint64_t offset,
                                           std::uint64_t end, int fd, const std::string& path) {
  const Extent extent = image_.extent(stream, offset, std::min(end - offset, kernel_copy_size));
  if (extent.fd < 0) return copy_by_buffer(stream, offset, end, fd, path);
  auto from = static_cast<off_t>(extent.position);
  auto to = static_cast<off_t>(offset);
  const ssize_t copied = copy_file_range(extent.fd, &from, fd, &to, extent.length, 0);
  // Not every pair of file systems supports this; copying by buffer will find any real error.
  if (copied <= 0) return copy_by_buffer(stream, offset, end, fd, path);
  return static_cast<std::uint64_t>(copied);
}

std::uint64_t StreamCopier::copy_by_buffer(const Stream& stream, std::uint64_t offset,
                                           std::uint64_t end, int fd, const std::string& path) {
  const auto wanted = std::min<std::uint64_t>(buffer_.size(), end - offset);
  const std::size_t length = image_.read(stream, offset, std::span(buffer_).first(wanted));
  if (!write_at(fd, buffer_.data(), length, offset)) throw_unstorable(errno, path);
  return length;
}

}  // namespace cim::transfer
