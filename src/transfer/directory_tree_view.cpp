// The tree below a directory on disk.
#include "transfer/directory_tree_view.h"

#include <algorithm>
#include <cerrno>

#include <cim/error.h>
#include <fcntl.h>
#include <unistd.h>

#include "image/file_io.h"

namespace cim::transfer {
namespace {

const std::vector<std::string> exclude_nothing;

}  // namespace

bool DirectoryTreeView::next() {
  if (!walk_ && !fd_) {
    fd_ = FileDescriptor(open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!fd_) throw system_error(errno, root_);
  } else {
    if (S_ISDIR(metadata_.status.st_mode)) enter();
    metadata_ = {};  // no directory to enter if this is the end
    if (!walk_->next()) return false;
    fd_ = walk_->open();
  }
  metadata_ = posix::read_metadata(fd_.get(), full_path());
  return true;
}

void DirectoryTreeView::enter() {
  if (walk_) {
    walk_->enter(std::move(fd_));
  } else {
    walk_.emplace(root_, std::move(fd_), exclude_nothing);
  }
}

std::string_view DirectoryTreeView::path() const {
  return walk_ ? walk_->relative_path() : std::string_view();
}

FileIdentity DirectoryTreeView::identity() {
  const struct stat& status = metadata_.status;
  if (S_ISDIR(status.st_mode)) return {{}, 1};
  return {{status.st_dev, status.st_ino}, status.st_nlink};
}

std::size_t DirectoryTreeView::read(std::uint64_t offset, std::span<std::byte> out) {
  return read_at(fd_.get(), out.data(), out.size(), offset, full_path());
}

std::uint64_t DirectoryTreeView::next_data(std::uint64_t offset) {
  constexpr std::int64_t block_size = 512;  // the unit of st_blocks
  const struct stat& status = metadata_.status;
  if (status.st_blocks * block_size >= status.st_size) return offset;
  const off_t data = lseek(fd_.get(), static_cast<off_t>(offset), SEEK_DATA);
  if (data < 0 && errno != ENXIO) throw system_error(errno, full_path());
  return static_cast<std::uint64_t>(data < 0 ? status.st_size : data);
}

}  // namespace cim::transfer
