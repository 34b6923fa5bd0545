// The tree of an image.
#include "transfer/image_tree_view.h"

#include <algorithm>

#include <unistd.h>

#include "image/digest.h"
#include "posix/attributes.h"

namespace cim::transfer {
namespace {

std::string digest(const Image& image, const Stream& stream) {
  constexpr std::size_t buffer_size = 1 << 20;
  std::vector<std::byte> buffer(buffer_size);
  Hasher hasher;
  hasher.reset();
  for (std::uint64_t offset = 0; offset < stream.length;) {
    const std::size_t size = image.read(stream, offset, buffer);
    hasher.update(ByteView(buffer).first(size));
    offset += size;
  }
  const Digest result = hasher.finish();
  return {result.begin(), result.end()};
}

}  // namespace

ImageTreeView::ImageTreeView(const std::string& path)
    : image_(path), walk_(image_, {}, EntryOrder::bytes) {}

// Calls read(). Image knows its files by number only, so this adds the path to any Error.
template <typename Read>
auto ImageTreeView::naming_file(Read read) const {
  try {
    return read();
  } catch (const Error& error) {
    throw error.with_path(walk_.path().empty() ? "." : walk_.path());
  }
}

bool ImageTreeView::next() {
  using Step = ImageWalk::Step;
  Step step = walk_.next();
  while (step == Step::leave_directory) step = walk_.next();
  return step != Step::end;
}

FileIdentity ImageTreeView::identity() {
  if (file().is_directory()) return {{}, 1};
  return {{0, file().id}, image_.link_count(file())};
}

struct stat ImageTreeView::status() {
  const posix::MountDefaults defaults = {.uid = geteuid(), .gid = getegid()};
  return naming_file([&] { return posix::attributes(image_, file(), defaults); });
}

std::string ImageTreeView::symlink_target() {
  return naming_file([&] { return posix::symlink_target(image_, file()); });
}

TreeView::Xattrs ImageTreeView::xattrs() {
  return naming_file([&] {
    Xattrs xattrs = posix::stored_xattrs(image_, file());
    for (const posix::StreamXattr& stream : posix::stream_xattrs(image_, file())) {
      const bool fits = stream.obstacle == posix::StreamXattr::Obstacle::none;
      xattrs.emplace_back(posix::xattr_name(stream), fits ? posix::xattr_value(image_, stream)
                                                          : digest(image_, stream.stream));
    }
    std::ranges::sort(xattrs);
    return xattrs;
  });
}

std::size_t ImageTreeView::read(std::uint64_t offset, std::span<std::byte> out) {
  return naming_file([&] { return image_.read(file().stream, offset, out); });
}

std::uint64_t ImageTreeView::next_data(std::uint64_t offset) {
  const Stream& stream = file().stream;
  return naming_file([&] { return image_.seek(stream, offset, true).value_or(stream.length); });
}

}  // namespace cim::transfer
