// Encodes Linux metadata for Windows, by the conventions of the Windows Subsystem for Linux.
#include "posix/linux_metadata.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <optional>

#include <cim/error.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "format/bytes.h"
#include "format/filetime.h"
#include "format/reparse.h"

namespace cim::posix {
namespace {

ByteView as_bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

void add_u32(format::EaBuilder& list, std::string_view name, std::uint32_t value) {
  list.add(name, format::bytes_of(value));
}

void add_device(format::EaBuilder& list, dev_t device) {
  const std::array<std::uint32_t, 2> numbers = {gnu_dev_major(device), gnu_dev_minor(device)};
  list.add("$LXDEV", format::bytes_of(numbers));
}

std::vector<std::byte> encode_reparse_data(const LinuxMetadata& source) {
  switch (source.status.st_mode & S_IFMT) {
    case S_IFLNK:
      return format::make_lx_symlink(source.symlink_target);
    case S_IFIFO:
      return format::make_reparse_buffer(format::tag_lx_fifo, {});
    case S_IFCHR:
      return format::make_reparse_buffer(format::tag_lx_chr, {});
    case S_IFBLK:
      return format::make_reparse_buffer(format::tag_lx_blk, {});
    case S_IFSOCK:
      return format::make_reparse_buffer(format::tag_af_unix, {});
    default:
      return {};
  }
}

std::uint32_t windows_attributes(mode_t mode) {
  std::uint32_t attributes = 0;
  if (S_ISDIR(mode)) attributes |= attribute::directory;
  if ((mode & (S_IWUSR | S_IWGRP | S_IWOTH)) == 0) attributes |= attribute::read_only;
  return attributes;
}

std::string read_link(int fd, const std::string& subject) {
  std::array<char, PATH_MAX> target;
  const ssize_t length = readlinkat(fd, "", target.data(), target.size());
  if (length < 0) throw system_error(errno, subject);
  return {target.data(), static_cast<std::size_t>(length)};
}

// The extended attributes of a descriptor. The f*xattr calls refuse O_PATH descriptors; such a file
// is reached through its name in /proc, which for a symbolic link means the link itself.
class XattrReader {
 public:
  XattrReader(int fd, const std::string& subject) : fd_(fd), subject_(subject) {}

  std::vector<std::pair<std::string, std::string>> read() {
    const ssize_t length = list();
    std::vector<std::pair<std::string, std::string>> xattrs;
    for (ssize_t start = 0; start < length;) {
      std::string name(names_.data() + start);
      start += static_cast<ssize_t>(name.size()) + 1;
      std::string value = get(name);
      xattrs.emplace_back(std::move(name), std::move(value));
    }
    std::sort(xattrs.begin(), xattrs.end());
    return xattrs;
  }

 private:
  ssize_t list() {
    // Most files have none, and asking for the length alone takes no kernel memory.
    ssize_t length = list_into(nullptr, 0);
    if (length < 0 && errno == EBADF) {
      proc_path_ = "/proc/self/fd/" + std::to_string(fd_);
      length = list_into(nullptr, 0);
    }
    if (length > 0) length = list_into(names_.data(), names_.size());
    if (length < 0 && errno == ENOTSUP) return 0;
    if (length < 0) throw system_error(errno, subject_).with_object("extended attributes");
    return length;
  }

  ssize_t list_into(char* names, std::size_t size) const {
    return proc_path_ ? listxattr(proc_path_->c_str(), names, size) : flistxattr(fd_, names, size);
  }

  std::string get(const std::string& name) {
    std::array<char, XATTR_SIZE_MAX> value;
    const ssize_t length =
        proc_path_ ? getxattr(proc_path_->c_str(), name.c_str(), value.data(), value.size())
                   : fgetxattr(fd_, name.c_str(), value.data(), value.size());
    if (length < 0) throw system_error(errno, subject_).with_object("extended attribute " + name);
    return {value.data(), static_cast<std::size_t>(length)};
  }

  int fd_;
  const std::string& subject_;
  std::optional<std::string> proc_path_;
  std::array<char, XATTR_LIST_MAX> names_;  // NOLINT: filled by list()
};

}  // namespace

EncodedMetadata::EncodedMetadata(const LinuxMetadata& source)
    : reparse_data_(encode_reparse_data(source)) {
  const struct stat& status = source.status;
  add_u32(extended_attributes_, "$LXUID", status.st_uid);
  add_u32(extended_attributes_, "$LXGID", status.st_gid);
  add_u32(extended_attributes_, "$LXMOD", status.st_mode);
  if (S_ISCHR(status.st_mode) || S_ISBLK(status.st_mode)) {
    add_device(extended_attributes_, status.st_rdev);
  }
  for (const auto& [name, value] : source.xattrs) {
    extended_attributes_.add("LX." + name, as_bytes("lxea" + value));
  }

  metadata_.attributes = windows_attributes(status.st_mode);
  const std::int64_t time = format::to_filetime(status.st_mtim);
  metadata_.creation_time = time;
  metadata_.last_write_time = time;
  metadata_.change_time = time;
  metadata_.last_access_time = time;
  metadata_.reparse_data = reparse_data_;
  metadata_.extended_attributes = extended_attributes_.list();
}

LinuxMetadata read_metadata(int fd, const std::string& subject) {
  LinuxMetadata metadata;
  // Before fstat(2): sysfs changes a file's times when first asked for these.
  metadata.xattrs = XattrReader(fd, subject).read();
  if (fstat(fd, &metadata.status) != 0) throw system_error(errno, subject);
  if (S_ISLNK(metadata.status.st_mode)) metadata.symlink_target = read_link(fd, subject);
  return metadata;
}

}  // namespace cim::posix
