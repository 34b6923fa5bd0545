// A tree on disk -> an image.
#include "transfer/import.h"

#include <algorithm>
#include <cerrno>
#include <map>
#include <memory>
#include <optional>

#include <cim/image.h>
#include <dirent.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/upcase.h"
#include "image/file_descriptor.h"
#include "posix/linux_metadata.h"
#include "transfer/inexact_times.h"
#include "transfer/source_walk.h"

namespace cim::transfer {
namespace {

// The limit for one copy, so that progress is shown and signals are noticed.
constexpr off_t max_copy_size = 8 << 20;

// Below this, sharing the blocks of a file takes longer than copying it.
constexpr off_t min_shared_size = 128 * 1024;

Error changed(const std::string& path) {
  return Error(Errc::io_error, "changed while it was read").with_path(path);
}

// How to open a file of the readdir(3) type `type`. Only regular files and directories are really
// opened: opening a device or a fifo can have effects. O_NONBLOCK is for a fifo that has replaced a
// regular file meanwhile.
int open_flags(unsigned char type) {
  switch (type) {
    case DT_REG:
      return O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    case DT_DIR:
      return O_RDONLY | O_NOFOLLOW | O_DIRECTORY | O_CLOEXEC;
    default:
      return O_PATH | O_NOFOLLOW | O_CLOEXEC;
  }
}

FileDescriptor open_source(int directory, const char* name, int flags, const std::string& path) {
  FileDescriptor fd(openat(directory, name, flags));
  if (!fd) throw system_error(errno, path);
  return fd;
}

unsigned char type_of(const std::string& path, bool follow) {
  struct stat status;
  if (fstatat(AT_FDCWD, path.c_str(), &status, follow ? 0 : AT_SYMLINK_NOFOLLOW) != 0) {
    throw system_error(errno, path);
  }
  return directory_entry_type(status.st_mode);
}

// Opens the file that a transfer starts from.
FileDescriptor open_root(const std::string& path, unsigned char type, bool follow) {
  const int flags = open_flags(type);
  return open_source(AT_FDCWD, path.c_str(), follow ? flags & ~O_NOFOLLOW : flags, path);
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

// Throws an Error that names two entries of a directory if the image would take their names for
// one.
void check_case_collisions(const std::vector<std::string_view>& names,
                           std::span<const char16_t> upcase, const std::string& directory) {
  std::vector<std::pair<std::u16string, std::string_view>> sorted;
  sorted.reserve(names.size());
  for (const std::string_view name : names) sorted.emplace_back(linux_to_image_name(name), name);
  std::sort(sorted.begin(), sorted.end(), [&](const auto& a, const auto& b) {
    return format::compare_names(a.first, b.first, upcase) < 0;
  });
  const auto twin =
      std::adjacent_find(sorted.begin(), sorted.end(), [&](const auto& a, const auto& b) {
        return format::compare_names(a.first, b.first, upcase) == 0;
      });
  if (twin == sorted.end()) return;
  throw Error(Errc::already_exists,
              fmt::format("'{}' and '{}' are one name in a case-insensitive image", twin->second,
                          (twin + 1)->second))
      .with_path(directory);
}

// Walks a source and copies it into the image.
class Import {
 public:
  Import(Writer& writer, std::u16string_view destination, const ImportOptions& options,
         Progress& progress)
      : writer_(writer), destination_(destination), options_(options), progress_(progress) {}

  // Returns the number of incomplete files.
  std::uint64_t run(const std::string& source) {
    const bool follow = destination_.empty();
    const unsigned char type = type_of(source, follow);
    if (follow && type != DT_DIR) throw system_error(ENOTDIR, source);
    FileDescriptor root = open_root(source, type, follow);
    copy(root.get(), type, destination_, source);
    if (type == DT_DIR) copy_contents(source, std::move(root));
    inexact_times_.report(progress_);
    return incomplete_;
  }

 private:
  void copy_contents(const std::string& source, FileDescriptor root) {
    SourceWalk walk(source, std::move(root), options_.exclude, options_.one_file_system);
    check_names(walk, source);
    while (walk.next()) {
      FileDescriptor fd =
          open_source(walk.directory(), walk.name(), open_flags(walk.type()), walk.path());
      copy(fd.get(), walk.type(), image_path(walk), walk.path());
      if (walk.type() != DT_DIR) continue;
      walk.enter(std::move(fd));
      check_names(walk, walk.path());
    }
  }

  void check_names(const SourceWalk& walk, const std::string& directory) const {
    if (!options_.upcase.empty()) check_case_collisions(walk.names(), options_.upcase, directory);
  }

  std::u16string image_path(const SourceWalk& walk) const {
    std::u16string relative;
    try {
      relative = linux_to_image_path(walk.relative_path());
    } catch (const Error& error) {
      throw Error(error.code(), error.reason()).with_path(walk.path());
    }
    return destination_.empty() ? relative : destination_ + u'\\' + relative;
  }

  // Copies one file, without anything below it.
  void copy(int fd, unsigned char type, const std::u16string& path, const std::string& source) {
    const posix::LinuxMetadata metadata = posix::read_metadata(fd, source);
    if (directory_entry_type(metadata.status.st_mode) != type) throw changed(source);
    if (options_.skip.contains(key_of(metadata.status))) return;
    if (link_to_earlier_copy(metadata.status, path)) {
      progress_.advance({.bytes = data_size(metadata.status)});
    } else {
      create(fd, metadata, path, source);
    }
    progress_.advance({.files = 1});
  }

  // If another name of the file is already in the image, makes `path` one more.
  bool link_to_earlier_copy(const struct stat& status, const std::u16string& path) {
    if (status.st_nlink < 2 || S_ISDIR(status.st_mode)) return false;
    const auto [first, is_new] = linked_files_.try_emplace(key_of(status), path);
    if (is_new) return false;
    if (writer_.find(path) == Writer::Kind::directory) writer_.remove(path);
    writer_.create_hard_link(path, first->second);
    return true;
  }

  void create(int fd, const posix::LinuxMetadata& metadata, const std::u16string& path,
              const std::string& source) {
    const std::unique_ptr<posix::EncodedMetadata> encoded = encode(metadata, source);
    if (S_ISDIR(metadata.status.st_mode)) return writer_.create_directory(path, encoded->get());
    WriteStream stream = writer_.create_file(path, encoded->get(), data_size(metadata.status));
    if (S_ISREG(metadata.status.st_mode)) copy_data(fd, metadata.status, stream, source);
    stream.close();
  }

  std::unique_ptr<posix::EncodedMetadata> encode(posix::LinuxMetadata metadata,
                                                 const std::string& source) {
    apply(options_.overrides, metadata);
    inexact_times_.add(metadata.status.st_mtim, source, progress_);
    try {
      return std::make_unique<posix::EncodedMetadata>(metadata);
    } catch (const Error& error) {
      throw error.with_path(source);
    }
  }

  void copy_data(int fd, const struct stat& status, WriteStream& stream,
                 const std::string& source) {
    constexpr std::int64_t block_size = 512;  // the unit of st_blocks
    // A file system either shares blocks or does not.
    if (status.st_size >= min_shared_size && can_share_) can_share_ = stream.share(fd);
    const off_t end = status.st_blocks * block_size < status.st_size
                          ? copy_between_holes(fd, status.st_size, stream, source)
                          : copy_range(fd, 0, status.st_size, stream, source);
    const std::string complaint = complaint_of_size(fd, status.st_size, end);
    if (status.st_size == 0 && complaint.empty()) return;  // there was nothing to change
    check_unchanged(fd, status, source);
    if (complaint.empty()) return;
    progress_.warn(source + ": " + complaint);
    ++incomplete_;
  }

  // What is wrong with the size of a file that was read up to `end`; empty if the size is right.
  // Files that a kernel makes up, as in /proc and /sys, have wrong sizes.
  static std::string complaint_of_size(int fd, off_t size, off_t end) {
    if (end < size) {
      return fmt::format("holds {} of the {} bytes that it claims; the rest is zeros", end, size);
    }
    char byte;
    const ssize_t more = pread(fd, &byte, 1, size);
    if (more < 0) return "its end cannot be read: " + system_error(errno).reason();
    if (more == 0) return {};
    return fmt::format("holds more than the {} bytes that it claims; the rest is left out", size);
  }

  // Returns where the file ended, as copy_range() does.
  off_t copy_between_holes(int fd, off_t size, WriteStream& stream, const std::string& source) {
    off_t hole = 0;
    while (hole < size) {
      const off_t data = lseek(fd, hole, SEEK_DATA);
      if (data < 0 && errno != ENXIO) throw system_error(errno, source);
      const off_t next = data < 0 ? size : std::min(data, size);
      progress_.advance({.bytes = static_cast<std::uint64_t>(next - hole)});
      if (next == size) break;
      hole = lseek(fd, next, SEEK_HOLE);
      if (hole < 0) throw system_error(errno, source);
      hole = std::min(hole, size);
      const off_t end = copy_range(fd, next, hole, stream, source);
      if (end < hole) return end;
    }
    return size;
  }

  // Returns `end`, or where the file ended before that.
  off_t copy_range(int fd, off_t offset, off_t end, WriteStream& stream,
                   const std::string& source) {
    while (offset < end) {
      const auto position = static_cast<std::uint64_t>(offset);
      const auto wanted = static_cast<std::uint64_t>(std::min(end - offset, max_copy_size));
      const std::uint64_t length = stream.copy_from(fd, position, wanted, source);
      progress_.advance({.bytes = length});
      offset += static_cast<off_t>(length);
      if (length < wanted) break;
    }
    return offset;
  }

  Writer& writer_;
  const std::u16string destination_;
  const ImportOptions& options_;
  Progress& progress_;
  InexactTimes inexact_times_;
  bool can_share_ = true;
  std::uint64_t incomplete_ = 0;
  std::map<FileKey, std::u16string> linked_files_;  // files with several names -> first copy
};

void add_file(std::set<FileKey>& files, const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) == 0) files.insert(key_of(status));
}

// The object id file of the region file `region`.
std::string object_id_path(const std::string& region) {
  const std::size_t name = region.rfind('/') + 1;  // 0 if there is no `/`
  return region.substr(0, name) + "objectid" + region.substr(region.find('_', name));
}

}  // namespace

FileKey key_of(const struct stat& status) { return {status.st_dev, status.st_ino}; }

std::uint64_t import_tree(Writer& writer, const std::string& source, std::u16string_view path,
                          const ImportOptions& options, Progress& progress) {
  return Import(writer, path, options, progress).run(source);
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
      walk.enter(open_source(walk.directory(), walk.name(), open_flags(DT_DIR), walk.path()));
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

std::set<FileKey> files_of_image(const std::string& path) {
  std::set<FileKey> files;
  add_file(files, path);
  try {
    for (const RegionSetInfo& set : Image(path).region_sets()) {
      for (const RegionInfo& region : set.regions) {
        add_file(files, region.path);
        add_file(files, object_id_path(region.path));
      }
    }
  } catch (const Error&) {
    // A file that cannot be read cannot be mistaken for the image being made.
  }
  return files;
}

}  // namespace cim::transfer
