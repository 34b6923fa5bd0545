#include "writer/pending_file.h"

#include <cerrno>
#include <cstring>

#include <cim/error.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "image/file_io.h"
#include "image/object_data.h"
#include "image/region.h"

namespace cim {

namespace {

constexpr std::string_view temporary_prefix = ".cimfs-";
constexpr std::string_view temporary_suffix = ".tmp";
constexpr std::size_t temporary_digits = 16;
constexpr mode_t file_mode = 0644;

std::string random_name() {
  std::uint64_t number = 0;
  if (getrandom(&number, sizeof(number), 0) != sizeof(number)) {
    throw system_error(errno, "getrandom");
  }
  return fmt::format("{}{:0{}x}{}", temporary_prefix, number, temporary_digits, temporary_suffix);
}

// Makes the existing file `fd` readable for everyone who may read the new file. Returns whether it
// is.
bool share_permissions(int new_fd, int fd) {
  struct stat wanted;
  struct stat existing;
  if (fstat(new_fd, &wanted) != 0 || fstat(fd, &existing) != 0) return false;
  const mode_t mode = (existing.st_mode | wanted.st_mode) & ALLPERMS;
  return mode == (existing.st_mode & ALLPERMS) || fchmod(fd, mode) == 0;
}

bool have_equal_content(int a, int b) {
  const std::string name;
  return have_equal_data({a, 0, file_size(a, name), name}, {b, 0, file_size(b, name), name});
}

}  // namespace

bool is_temporary_name(std::string_view name) {
  if (!name.starts_with(temporary_prefix) || !name.ends_with(temporary_suffix)) return false;
  name.remove_prefix(temporary_prefix.size());
  return name.size() == temporary_digits + temporary_suffix.size() &&
         name.find_first_not_of("0123456789abcdef") == temporary_digits;
}

EqualFile find_equal_file(int directory_fd, const std::string& name, int fd) {
  if (faccessat(directory_fd, name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) != 0) {
    return EqualFile::missing;
  }
  try {
    const FileDescriptor other = open_regular_file(directory_fd, name, name);
    // Whoever put it there may not have synced it, and our caller relies on that.
    const bool equal = have_equal_content(fd, other.get()) && share_permissions(fd, other.get()) &&
                       fsync(other.get()) == 0;
    return equal ? EqualFile::exists : EqualFile::differs;
  } catch (const Error&) {
    return EqualFile::differs;
  }
}

// NFS, 9p and many FUSE file systems cannot do it in one step, and some of them lack hard links
// too.
int rename_without_replacing(int directory_fd, const char* from, const char* to) {
  if (renameat2(directory_fd, from, directory_fd, to, RENAME_NOREPLACE) == 0) return 0;
  if (errno != EINVAL && errno != ENOSYS && errno != EOPNOTSUPP) return -1;
  if (faccessat(directory_fd, to, F_OK, AT_SYMLINK_NOFOLLOW) == 0) {
    errno = EEXIST;
    return -1;
  }
  if (errno != ENOENT) return -1;
  return renameat(directory_fd, from, directory_fd, to);
}

PendingFile::PendingFile(int directory_fd, std::string directory)
    : directory_fd_(directory_fd), directory_(std::move(directory)) {
  fd_ = FileDescriptor(openat(directory_fd, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, file_mode));
  if (fd_) return;
  // The answers of file systems and kernels without O_TMPFILE: open(2), BUGS.
  if (errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT) fail(errno);
  std::string name = random_name();
  fd_ = FileDescriptor(
      openat(directory_fd, name.c_str(), O_CREAT | O_EXCL | O_RDWR | O_CLOEXEC, file_mode));
  if (!fd_) fail(errno);
  temporary_name_ = std::move(name);
}

PendingFile::PendingFile(int directory_fd, std::string directory, FileDescriptor fd,
                         std::string temporary_name)
    : directory_fd_(directory_fd),
      directory_(std::move(directory)),
      fd_(std::move(fd)),
      temporary_name_(std::move(temporary_name)) {}

std::optional<PendingFile> PendingFile::linked(int directory_fd, std::string directory,
                                               int from_directory_fd, const std::string& from) {
  FileDescriptor fd = open_regular_file(from_directory_fd, from, from);
  std::string name = random_name();
  if (linkat(from_directory_fd, from.c_str(), directory_fd, name.c_str(), 0) != 0) {
    return std::nullopt;
  }
  return PendingFile(directory_fd, std::move(directory), std::move(fd), std::move(name));
}

PendingFile::~PendingFile() {
  if (fd_ && !temporary_name_.empty()) unlinkat(directory_fd_, temporary_name_.c_str(), 0);
}

void PendingFile::fail(int error_number) const { throw system_error(error_number, directory_); }

void PendingFile::write_at(std::uint64_t position, const void* data, std::size_t size) {
  if (!cim::write_at(fd_.get(), data, size, position)) fail(errno);
}

void PendingFile::sync() {
  if (fsync(fd_.get()) != 0) fail(errno);
}

bool PendingFile::publish(const std::string& name) {
  std::string published = name;  // copied first: this must not fail once the file has its name
  int result;
  if (temporary_name_.empty()) {
    const std::string link = fmt::format("/proc/self/fd/{}", fd_.get());
    result = linkat(AT_FDCWD, link.c_str(), directory_fd_, name.c_str(), AT_SYMLINK_FOLLOW);
  } else {
    result = rename_without_replacing(directory_fd_, temporary_name_.c_str(), name.c_str());
  }
  if (result != 0 && errno == EEXIST) return false;
  if (result != 0) throw system_error(errno, directory_ + "/" + name);
  temporary_name_.clear();
  name_ = std::move(published);
  return true;
}

bool PendingFile::differs_from(const std::string& name) const {
  return find_equal_file(directory_fd_, name, fd_.get()) == EqualFile::differs;
}

void PendingFile::replace(const std::string& name) {
  std::string published = name;
  if (temporary_name_.empty()) {
    std::string temporary = random_name();
    if (!publish(temporary)) fail(EEXIST);
    temporary_name_ = std::move(temporary);
  }
  if (renameat(directory_fd_, temporary_name_.c_str(), directory_fd_, name.c_str()) != 0) {
    throw system_error(errno, directory_ + "/" + name);
  }
  temporary_name_.clear();
  name_ = std::move(published);
}

void PendingFile::withdraw() noexcept {
  if (!name_.empty()) unlinkat(directory_fd_, name_.c_str(), 0);
  name_.clear();
}

}  // namespace cim
