#include "transfer/image_copy.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include <cim/error.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/file_descriptor.h"
#include "image/file_io.h"
#include "image/region.h"
#include "transfer/import.h"
#include "writer/directory.h"
#include "writer/garbage.h"
#include "writer/image_directory.h"
#include "writer/pending_file.h"

namespace cim::transfer {
namespace {

constexpr std::uint64_t step_size = 8 << 20;  // so that signals are noticed
constexpr std::size_t buffer_size = 1 << 20;
constexpr mode_t permission_bits = 0777;

struct stat status_of(int fd, const std::string& path) {
  struct stat status;
  if (fstat(fd, &status) != 0) throw system_error(errno, path);
  return status;
}

std::string name_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

FileDescriptor open_directory(const std::string& path) {
  FileDescriptor fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) throw system_error(errno, path);
  return fd;
}

// A file to be read.
struct SourceFile {
  SourceFile(int directory_fd, const std::string& name, std::string file_path)
      : path(std::move(file_path)),
        fd(open_regular_file(directory_fd, name, path)),
        status(status_of(fd.get(), path)) {}

  // The work of bringing it to another place.
  Amount amount() const {
    return {.files = 1, .bytes = static_cast<std::uint64_t>(status.st_size)};
  }

  std::string path;
  FileDescriptor fd;
  struct stat status;
};

// Copies the data of a file to an empty one. Holes stay holes.
class DataCopy {
 public:
  DataCopy(const SourceFile& source, PendingFile& target, Progress& progress)
      : source_(source),
        target_(target),
        size_(static_cast<std::uint64_t>(source.status.st_size)),
        progress_(progress) {}

  void run() {
    if (ioctl(target_.fd(), FICLONE, source_.fd.get()) == 0)
      return progress_.advance({.bytes = size_});
    if (ftruncate(target_.fd(), source_.status.st_size) != 0)
      throw system_error(errno, source_.path);
    std::uint64_t position = skip_hole(0);
    while (position < size_) {
      const std::uint64_t end = end_of_data(position);
      copy_range(position, end);
      position = skip_hole(end);
    }
  }

 private:
  std::uint64_t skip_hole(std::uint64_t position) const {
    const std::uint64_t data = next_data(source_.fd.get(), position, size_);
    progress_.advance({.bytes = data - position});
    return data;
  }

  std::uint64_t end_of_data(std::uint64_t position) const {
    const off_t hole = lseek(source_.fd.get(), static_cast<off_t>(position), SEEK_HOLE);
    return hole < 0 ? size_ : static_cast<std::uint64_t>(hole);
  }

  void copy_range(std::uint64_t position, std::uint64_t end) {
    while (position < end) {
      const std::uint64_t length = copy_step(position, std::min(end - position, step_size));
      progress_.advance({.bytes = length});
      position += length;
    }
  }

  // Copies at least one byte, and returns how many.
  std::uint64_t copy_step(std::uint64_t position, std::uint64_t length) {
    auto from = static_cast<off_t>(position);
    off_t to = from;
    const ssize_t copied = copy_file_range(source_.fd.get(), &from, target_.fd(), &to, length, 0);
    // Not every pair of file systems supports this; copying by buffer will find any real error.
    return copied > 0 ? static_cast<std::uint64_t>(copied) : copy_by_buffer(position, length);
  }

  std::uint64_t copy_by_buffer(std::uint64_t position, std::uint64_t length) {
    buffer_.resize(buffer_size);
    const std::size_t size =
        read_at(source_.fd.get(), buffer_.data(), std::min<std::uint64_t>(length, buffer_size),
                position, source_.path);
    if (size == 0) throw Error(Errc::io_error, "has shrunk meanwhile").with_path(source_.path);
    target_.write_at(position, buffer_.data(), size);
    return size;
  }

  const SourceFile& source_;
  PendingFile& target_;
  const std::uint64_t size_;
  Progress& progress_;
  std::vector<std::byte> buffer_;
};

// Puts an image into its new place.
class ImageCopy {
 public:
  ImageCopy(const ImageCopyOptions& options, bool moves, Progress& progress)
      : moves_(moves),
        replaces_(options.replace),
        progress_(progress),
        source_path_(moves ? options.source : follow_link(options.source)),
        source_directory_(directory_of(source_path_)),
        source_name_(name_of(source_path_)),
        target_directory_(options.directory),
        target_name_(options.name),
        target_path_(path_in(options.directory, options.name)),
        target_fd_(lock_directory(target_directory_)),
        source_fd_(open_directory(source_directory_)),
        is_same_directory_(key_of(status_of(source_fd_.get(), source_directory_)) ==
                           key_of(status_of(target_fd_.get(), target_directory_))) {
    // A file descriptor of its own: this one does not know that the directory is locked already.
    if (moves && !is_same_directory_) source_fd_ = lock_directory(source_directory_);
  }

  void run() {
    const SourceFile header(source_fd_.get(), source_name_, source_path_);
    const std::vector<format::RegionSet> sets =
        read_filesystem_file(header.fd.get(), source_path_).sets;
    const FileDescriptor source_lock =
        moves_ ? lock_image(source_fd_.get(), source_name_, source_path_) : FileDescriptor();
    check_target(header);
    if (!is_same_directory_) {
      for (const std::string& name : region_file_names(sets)) prepare_region_file(name);
    }
    PendingFile new_header = prepare(source_name_, header);
    publish(new_header);
    if (moves_) remove_source(sets);
  }

 private:
  // The target must not be the source, not exist unless it may be replaced, and not be mounted.
  void check_target(const SourceFile& header) const {
    struct stat status;
    if (fstatat(target_fd_.get(), target_name_.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) return;
    if (key_of(status) == key_of(header.status)) {
      throw Error(Errc::invalid_argument, "is the same image as " + source_path_)
          .with_image(target_path_);
    }
    if (!replaces_) throw Error(Errc::file_exists, "exists already").with_image(target_path_);
    lock_image(target_fd_.get(), target_name_, target_path_);
  }

  void prepare_region_file(const std::string& name) {
    const SourceFile source(source_fd_.get(), name, source_directory_ + "/" + name);
    switch (find_equal_file(target_fd_.get(), name, source.fd.get())) {
      case EqualFile::exists:
        return progress_.advance(source.amount());
      case EqualFile::differs:
        throw Error(Errc::file_exists, "exists already and differs from " + source.path)
            .with_path(target_directory_ + "/" + name);
      case EqualFile::missing:
        region_files_.emplace_back(name, prepare(name, source));
    }
  }

  // The new file, complete and synced, but without its name.
  PendingFile prepare(const std::string& name, const SourceFile& source) {
    if (moves_) {
      auto linked =
          PendingFile::linked(target_fd_.get(), target_directory_, source_fd_.get(), name);
      if (linked) {
        progress_.advance(source.amount());
        return *std::move(linked);
      }
    }
    PendingFile file(target_fd_.get(), target_directory_);
    DataCopy(source, file, progress_).run();
    set_metadata(file, source);
    file.sync();
    progress_.advance({.files = 1});
    return file;
  }

  void set_metadata(const PendingFile& file, const SourceFile& source) const {
    mode_t mode = source.status.st_mode & permission_bits;
    if (moves_) {
      const std::array<timespec, 2> times = {source.status.st_atim, source.status.st_mtim};
      // Whoever may not give files away becomes their owner, as with mv(1).
      if (fchown(file.fd(), source.status.st_uid, source.status.st_gid) != 0) errno = 0;
      if (futimens(file.fd(), times.data()) != 0) throw system_error(errno, target_directory_);
    } else {
      mode &= status_of(file.fd(), target_directory_).st_mode;
    }
    if (fchmod(file.fd(), mode) != 0) throw system_error(errno, target_directory_);
  }

  void publish(PendingFile& header) {
    const FileDescriptor replaced = lock_replaced();
    const std::vector<format::RegionSet> unneeded =
        replaced ? region_sets_if_image(replaced.get()) : std::vector<format::RegionSet>();
    try {
      for (auto& [name, file] : region_files_) {
        if (!file.publish(name)) throw system_error(EEXIST, target_directory_ + "/" + name);
      }
      sync_directory(target_fd_.get(), target_directory_);
      if (replaced) {
        header.replace(target_name_);
      } else if (!header.publish(target_name_)) {
        throw Error(Errc::file_exists, "exists already").with_image(target_path_);
      }
    } catch (...) {
      for (auto& [name, file] : region_files_) file.withdraw();
      throw;
    }
    sync_directory(target_fd_.get(), target_directory_);
    remove_unused_region_sets(target_fd_.get(), target_directory_, unneeded);
  }

  // The file to be replaced, if there is one, so that nobody mounts it meanwhile.
  FileDescriptor lock_replaced() const {
    const bool exists =
        faccessat(target_fd_.get(), target_name_.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    if (!replaces_ || !exists) return {};
    return lock_image(target_fd_.get(), target_name_, target_path_);
  }

  void remove_source(const std::vector<format::RegionSet>& sets) {
    if (unlinkat(source_fd_.get(), source_name_.c_str(), 0) != 0) {
      throw system_error(errno, source_path_)
          .with_object("it is copied to " + target_path_ + ", but cannot be removed");
    }
    sync_directory(source_fd_.get(), source_directory_);
    if (is_same_directory_) return;
    remove_unused_region_sets(source_fd_.get(), source_directory_, sets);
  }

  const bool moves_;
  const bool replaces_;
  Progress& progress_;
  const std::string source_path_;
  const std::string source_directory_;
  const std::string source_name_;
  const std::string target_directory_;
  const std::string target_name_;
  const std::string target_path_;
  const FileDescriptor target_fd_;
  FileDescriptor source_fd_;
  const bool is_same_directory_;
  std::vector<std::pair<std::string, PendingFile>> region_files_;  // by their names
};

void refuse_link(const std::string& path) {
  struct stat status;
  if (lstat(path.c_str(), &status) != 0 || !S_ISLNK(status.st_mode)) return;
  throw Error(Errc::invalid_argument, "is a symbolic link; move the image that it leads to")
      .with_image(path);
}

}  // namespace

Amount measure_image_copy(const ImageCopyOptions& options) {
  const std::string path = follow_link(options.source);
  const std::string directory = directory_of(path);
  const FileDescriptor source_fd = open_directory(directory);
  const SourceFile header(source_fd.get(), name_of(path), path);
  Amount amount = header.amount();
  struct stat target;
  const bool has_target = stat(options.directory.c_str(), &target) == 0;
  if (has_target && key_of(target) == key_of(status_of(source_fd.get(), directory))) return amount;
  for (const std::string& name :
       region_file_names(read_filesystem_file(header.fd.get(), path).sets)) {
    const SourceFile file(source_fd.get(), name, path_in(directory, name));
    amount.files += file.amount().files;
    amount.bytes += file.amount().bytes;
  }
  return amount;
}

void copy_image(const ImageCopyOptions& options, Progress& progress) {
  ImageCopy(options, false, progress).run();
}

void move_image(const ImageCopyOptions& options, Progress& progress) {
  refuse_link(options.source);
  ImageCopy(options, true, progress).run();
}

}  // namespace cim::transfer
