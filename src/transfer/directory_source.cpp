// A tree on disk as a source of entries.
#include "transfer/directory_source.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "posix/linux_metadata.h"

namespace cim::transfer {
namespace {

// The limit for one copy, so that progress is shown and signals are noticed.
constexpr off_t max_copy_size = 8 << 20;

// Below this, sharing the blocks of a file takes longer than copying it.
constexpr off_t min_shared_size = 128 * 1024;

Error changed(const std::string& path) {
  return Error(Errc::io_error, "changed while it was read").with_path(path);
}

std::uint64_t data_size(const struct stat& status) {
  return S_ISREG(status.st_mode) ? static_cast<std::uint64_t>(status.st_size) : 0;
}

bool same_time(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

void check_unchanged(int fd, const struct stat& before, const std::string& path) {
  struct stat now;
  if (fstat(fd, &now) != 0) throw system_error(errno, path);
  if (now.st_size != before.st_size || !same_time(now.st_mtim, before.st_mtim) ||
      !same_time(now.st_ctim, before.st_ctim)) {
    throw changed(path);
  }
}

}  // namespace

DirectorySource::DirectorySource(std::string source, std::u16string destination,
                                 const ImportOptions& options, Progress& progress)
    : source_(std::move(source)),
      destination_(std::move(destination)),
      options_(options),
      progress_(progress) {}

const Entry* DirectorySource::next() {
  while (open_next()) {
    if (read_entry()) return &entry_;
  }
  return nullptr;
}

// Opens the next file of the walk. Returns false after the last.
bool DirectorySource::open_next() {
  if (type_ == DT_UNKNOWN) {
    open_source();
    return true;
  }
  if (type_ == DT_DIR) {
    if (!walk_) {
      walk_.emplace(source_, std::move(fd_), options_.exclude, options_.one_file_system);
    } else {
      walk_->enter(std::move(fd_));
    }
  }
  if (!walk_ || !walk_->next()) return false;
  fd_ = walk_->open();
  type_ = walk_->type();
  return true;
}

void DirectorySource::open_source() {
  const bool is_root = destination_.empty();
  struct stat status;
  if (fstatat(AT_FDCWD, source_.c_str(), &status, is_root ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
    throw system_error(errno, source_);
  }
  type_ = directory_entry_type(status.st_mode);
  if (is_root && type_ != DT_DIR) throw system_error(ENOTDIR, source_);
  const int flags = open_flags(type_);
  fd_ = FileDescriptor(open(source_.c_str(), is_root ? flags & ~O_NOFOLLOW : flags));
  if (!fd_) throw system_error(errno, source_);
}

// Makes an entry of the current file. Returns false if it is to be skipped.
bool DirectorySource::read_entry() {
  auto& metadata = entry_.metadata.emplace<posix::LinuxMetadata>();
  metadata = posix::read_metadata(fd_.get(), path());
  status_ = metadata.status;
  if (directory_entry_type(status_.st_mode) != type_) throw changed(path());
  if (options_.skip.contains(key_of(status_))) return false;
  entry_.kind = type_ == DT_DIR ? Entry::Kind::directory : Entry::Kind::file;
  entry_.path = image_path();
  entry_.size = data_size(status_);
  if (type_ == DT_DIR || status_.st_nlink < 2) return true;
  const auto [first, is_new] = linked_files_.try_emplace(key_of(status_), entry_.path);
  if (is_new) return true;
  entry_.kind = Entry::Kind::hard_link;
  entry_.target = first->second;
  return true;
}

std::u16string DirectorySource::image_path() const {
  if (!walk_) return destination_;
  std::u16string relative;
  try {
    relative = linux_to_image_path(walk_->relative_path());
  } catch (const Error& error) {
    throw Error(error.code(), error.reason()).with_path(path());
  }
  return destination_.empty() ? relative : destination_ + u'\\' + relative;
}

void DirectorySource::copy_data(WriteStream& stream) {
  if (type_ != DT_REG) return;
  constexpr std::int64_t block_size = 512;  // the unit of st_blocks
  // A file system either shares blocks or does not.
  if (status_.st_size >= min_shared_size && can_share_) can_share_ = stream.share(fd_.get());
  const off_t end = status_.st_blocks * block_size < status_.st_size
                        ? copy_between_holes(stream)
                        : copy_range(0, status_.st_size, stream);
  check_data(end);
}

// Checks that the file, read up to `end`, is what it was, and as large as it claims.
void DirectorySource::check_data(off_t end) {
  const std::string complaint = complaint_of_size(end);
  if (status_.st_size == 0 && complaint.empty()) return;  // there was nothing to change
  check_unchanged(fd_.get(), status_, path());
  if (complaint.empty()) return;
  progress_.warn(path() + ": " + complaint);
  ++incomplete_;
}

// What is wrong with the size of a file that was read up to `end`; empty if the size is right.
// Files that a kernel makes up, as in /proc and /sys, have wrong sizes.
std::string DirectorySource::complaint_of_size(off_t end) const {
  const off_t size = status_.st_size;
  if (end < size) {
    return fmt::format("holds {} of the {} bytes that it claims; the rest is zeros", end, size);
  }
  char byte;
  const ssize_t more = pread(fd_.get(), &byte, 1, size);
  if (more < 0) return "its end cannot be read: " + system_error(errno).reason();
  if (more == 0) return {};
  return fmt::format("holds more than the {} bytes that it claims; the rest is left out", size);
}

// Returns where the file ended, as copy_range() does.
off_t DirectorySource::copy_between_holes(WriteStream& stream) {
  const off_t size = status_.st_size;
  off_t hole = 0;
  while (hole < size) {
    const off_t data = lseek(fd_.get(), hole, SEEK_DATA);
    if (data < 0 && errno != ENXIO) throw system_error(errno, path());
    const off_t next = data < 0 ? size : std::min(data, size);
    progress_.advance({.bytes = static_cast<std::uint64_t>(next - hole)});
    if (next == size) break;
    hole = lseek(fd_.get(), next, SEEK_HOLE);
    if (hole < 0) throw system_error(errno, path());
    hole = std::min(hole, size);
    const off_t end = copy_range(next, hole, stream);
    if (end < hole) return end;
  }
  return size;
}

// Returns `end`, or where the file ended before that.
off_t DirectorySource::copy_range(off_t offset, off_t end, WriteStream& stream) {
  while (offset < end) {
    const auto position = static_cast<std::uint64_t>(offset);
    const auto wanted = static_cast<std::uint64_t>(std::min(end - offset, max_copy_size));
    const std::uint64_t length = stream.copy_from(fd_.get(), position, wanted, path());
    progress_.advance({.bytes = length});
    offset += static_cast<off_t>(length);
    if (length < wanted) break;
  }
  return offset;
}

Amount measure_tree(const std::string& source, const ImportOptions& options) {
  Amount amount = {.files = 1};
  FileDescriptor root(open(source.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!root) {
    struct stat status;
    if (lstat(source.c_str(), &status) != 0) throw system_error(errno, source);
    amount.bytes = data_size(status);
    return amount;
  }
  SourceWalk walk(source, std::move(root), options.exclude, options.one_file_system);
  while (walk.next()) {
    ++amount.files;
    if (walk.type() == DT_DIR) {
      walk.enter(walk.open());
    } else if (walk.type() == DT_REG) {
      struct stat status;
      if (fstatat(walk.directory(), walk.name(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        throw system_error(errno, walk.path());
      }
      amount.bytes += data_size(status);
    }
  }
  return amount;
}

}  // namespace cim::transfer
