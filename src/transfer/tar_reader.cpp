// Reads tar archives with libarchive, and puts right what it makes of Linux metadata.
#include "transfer/tar_reader.h"

#include <algorithm>
#include <cerrno>
#include <climits>
#include <clocale>
#include <cstring>
#include <map>
#include <string_view>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/posix_acl.h>
#include <pwd.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "posix/acl.h"

namespace cim::transfer {
namespace {

constexpr std::size_t buffer_size = 1 << 20;
constexpr std::int64_t block_size = 512;

// While it lives, the thread is in the C locale. In another one libarchive changes names on the way
// (to Unicode's composed forms, say); in this one it cannot, and hands over their bytes.
class InCLocale {
 public:
  InCLocale() : locale_(newlocale(LC_ALL_MASK, "C", nullptr)), previous_(uselocale(locale_)) {}
  InCLocale(const InCLocale&) = delete;
  InCLocale& operator=(const InCLocale&) = delete;
  ~InCLocale() {
    uselocale(previous_);
    freelocale(locale_);
  }

 private:
  locale_t locale_;
  locale_t previous_;
};

// libarchive's regret about a name that it could not change.
bool is_about_locale(std::string_view message) {
  return message.find("can't be converted from") != std::string_view::npos;
}

// ARCHIVE_RETRY, for one, is a damaged header.
bool succeeded(int result) { return result == ARCHIVE_OK || result == ARCHIVE_WARN; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// GNU tar writes `=` and `%` in the name of an extended attribute as %3D and %25, bsdtar also
// others, and libarchive leaves them so.
std::string decode_xattr_name(std::string_view name) {
  std::string decoded;
  for (std::size_t index = 0; index < name.size(); ++index) {
    const bool has_digits = name[index] == '%' && index + 2 < name.size();
    const int high = has_digits ? hex_digit(name[index + 1]) : -1;
    const int low = has_digits ? hex_digit(name[index + 2]) : -1;
    if (high < 0 || low < 0) {
      decoded += name[index];
      continue;
    }
    decoded += static_cast<char>(high << 4 | low);
    index += 2;
  }
  return decoded;
}

// Sorted; bsdtar stores each of them twice.
std::vector<std::pair<std::string, std::string>> xattrs_of(archive_entry* entry) {
  std::map<std::string, std::string> xattrs;
  archive_entry_xattr_reset(entry);
  const char* name = nullptr;
  const void* value = nullptr;
  std::size_t size = 0;
  while (archive_entry_xattr_next(entry, &name, &value, &size) == ARCHIVE_OK) {
    xattrs[decode_xattr_name(name)] = std::string(static_cast<const char*>(value), size);
  }
  return {xattrs.begin(), xattrs.end()};
}

// libarchive gives `-1.5` in a pax record as -1 s and 500 ms, which to a timespec is -0.5 s.
timespec modification_time(archive_entry* entry) {
  constexpr long nanoseconds_per_second = 1'000'000'000;
  const timespec time = {.tv_sec = archive_entry_mtime(entry),
                         .tv_nsec = archive_entry_mtime_nsec(entry)};
  if (time.tv_sec >= 0 || time.tv_nsec == 0) return time;
  return {.tv_sec = time.tv_sec - 1, .tv_nsec = nanoseconds_per_second - time.tv_nsec};
}

// The kernel's tag for libarchive's.
std::uint16_t acl_tag(int tag) {
  switch (tag) {
    case ARCHIVE_ENTRY_ACL_USER:
      return ACL_USER;
    case ARCHIVE_ENTRY_ACL_USER_OBJ:
      return ACL_USER_OBJ;
    case ARCHIVE_ENTRY_ACL_GROUP:
      return ACL_GROUP;
    case ARCHIVE_ENTRY_ACL_GROUP_OBJ:
      return ACL_GROUP_OBJ;
    case ARCHIVE_ENTRY_ACL_MASK:
      return ACL_MASK;
    default:
      return ACL_OTHER;
  }
}

// The number of the user or group that an entry names. GNU tar stores nothing but the name, unless
// it is told --numeric-owner. Nothing if this machine does not know the name.
std::optional<std::uint32_t> acl_id(std::uint16_t tag, int id, const char* name) {
  if (tag != ACL_USER && tag != ACL_GROUP) return 0;
  if (id == INT_MAX) return std::nullopt;  // libarchive's idea of any larger number
  if (id >= 0) return static_cast<std::uint32_t>(id);
  if (name == nullptr) return std::nullopt;
  if (tag == ACL_USER) {
    const passwd* user = getpwnam(name);  // NOLINT(concurrency-mt-unsafe): one thread reads
    return user == nullptr ? std::nullopt : std::optional<std::uint32_t>(user->pw_uid);
  }
  const group* found = getgrnam(name);  // NOLINT(concurrency-mt-unsafe)
  return found == nullptr ? std::nullopt : std::optional<std::uint32_t>(found->gr_gid);
}

// Bytes of a member's data that are in the archive: all but the holes.
std::uint64_t data_in_archive(archive_entry* entry, std::uint64_t size) {
  if (archive_entry_sparse_reset(entry) == 0) return size;
  std::uint64_t sum = 0;
  la_int64_t offset = 0;
  la_int64_t length = 0;
  while (archive_entry_sparse_next(entry, &offset, &length) == ARCHIVE_OK) {
    sum += static_cast<std::uint64_t>(length);
  }
  return sum;
}

}  // namespace

// Where libarchive gets its bytes from.
struct TarReader::Input {
  explicit Input(int descriptor) : fd(descriptor) {}

  // As read(2).
  ssize_t fill() {
    for (;;) {
      const ssize_t length = ::read(fd, buffer.get(), buffer_size);
      if (length >= 0 || errno != EINTR) return length;
    }
  }

  static la_ssize_t callback(archive* reader, void* input, const void** bytes) {
    auto& self = *static_cast<Input*>(input);
    *bytes = self.buffer.get();
    const ssize_t length = self.fill();
    if (length < 0) archive_set_error(reader, errno, "%s", std::strerror(errno));
    return length;
  }

  void drain() {
    if (lseek(fd, 0, SEEK_CUR) >= 0) return;  // nobody is waiting at the other end of a file
    while (fill() > 0) continue;
  }

  int fd;
  // Not filled with zeros first, which would take longer than to read a small archive.
  std::unique_ptr<std::byte[]> buffer = std::make_unique_for_overwrite<std::byte[]>(buffer_size);
};

void TarReader::CloseArchive::operator()(archive* reader) const noexcept {
  archive_read_free(reader);
}

TarReader::TarReader(int fd, std::string name, Progress& progress)
    : name_(std::move(name)),
      progress_(progress),
      input_(std::make_unique<Input>(fd)),
      archive_(archive_read_new()) {
  if (!archive_) throw Error(Errc::out_of_memory, name_ + ": out of memory");
  archive_read_support_format_tar(archive_.get());
  archive_read_support_filter_all(archive_.get());
  if (archive_read_open(archive_.get(), input_.get(), nullptr, Input::callback, nullptr) !=
      ARCHIVE_OK) {
    throw failure();
  }
}

TarReader::~TarReader() = default;

std::optional<TarMember> TarReader::next() {
  const InCLocale scope;
  if (!member_name_.empty() && !succeeded(archive_read_data_skip(archive_.get()))) {
    throw failure();
  }
  member_name_.clear();
  const std::int64_t end_of_members = archive_filter_bytes(archive_.get(), 0);
  archive_entry* entry = nullptr;
  const int result = archive_read_next_header(archive_.get(), &entry);
  if (result == ARCHIVE_EOF) {
    check_end_mark(end_of_members);
    input_->drain();
    return std::nullopt;
  }
  if (!succeeded(result)) throw failure();
  return to_member(entry);
}

std::optional<TarReader::Block> TarReader::read() {
  const void* bytes = nullptr;
  std::size_t size = 0;
  la_int64_t offset = 0;
  const int result = archive_read_data_block(archive_.get(), &bytes, &size, &offset);
  if (result == ARCHIVE_EOF) {
    if (received_data_ != expected_data_) throw member_error("is shorter than its size");
    return std::nullopt;
  }
  if (!succeeded(result)) throw failure();
  received_data_ += size;
  return Block{static_cast<std::uint64_t>(offset), {static_cast<const std::byte*>(bytes), size}};
}

TarMember TarReader::to_member(archive_entry* entry) {
  const char* name = archive_entry_pathname(entry);
  if (name == nullptr || *name == '\0') {
    throw Error(Errc::corrupt, name_ + ": a member has no name");
  }
  member_name_ = name;
  warn_of_header();

  TarMember member = {.name = name, .metadata = to_metadata(entry)};
  if (const char* target = archive_entry_hardlink(entry)) member.hard_link_target = target;
  if (S_ISREG(member.metadata.status.st_mode)) {
    member.size = static_cast<std::uint64_t>(archive_entry_size(entry));
  }
  expected_data_ = data_in_archive(entry, member.size);
  received_data_ = 0;
  return member;
}

posix::LinuxMetadata TarReader::to_metadata(archive_entry* entry) {
  posix::LinuxMetadata metadata;
  struct stat& status = metadata.status;
  mode_t type = archive_entry_filetype(entry);
  // How tar wrote directories before it had a type for them.
  if (type == S_IFREG && member_name_.ends_with('/')) type = S_IFDIR;
  status.st_mode = type | archive_entry_perm(entry);
  const la_int64_t uid = archive_entry_uid(entry);
  const la_int64_t gid = archive_entry_gid(entry);
  if (uid < 0 || uid > UINT32_MAX || gid < 0 || gid > UINT32_MAX) {
    throw member_error(fmt::format("has an impossible owner, {}:{}", uid, gid));
  }
  status.st_uid = static_cast<uid_t>(uid);
  status.st_gid = static_cast<gid_t>(gid);
  status.st_rdev = makedev(static_cast<unsigned>(archive_entry_rdevmajor(entry)),
                           static_cast<unsigned>(archive_entry_rdevminor(entry)));
  status.st_mtim = modification_time(entry);
  if (const char* target = archive_entry_symlink(entry)) metadata.symlink_target = target;
  metadata.xattrs = xattrs_of(entry);
  add_acl(entry, metadata, ARCHIVE_ENTRY_ACL_TYPE_ACCESS);
  add_acl(entry, metadata, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT);
  return metadata;
}

// Adds the access control list of `type`, if there is one, as the extended attribute that Linux
// has it in.
void TarReader::add_acl(archive_entry* entry, posix::LinuxMetadata& metadata, int type) {
  if ((archive_entry_acl_types(entry) & type) == 0) return;
  const bool is_access = type == ARCHIVE_ENTRY_ACL_TYPE_ACCESS;
  const std::vector<posix::AclEntry> acl = read_acl(entry, type);
  for (const posix::AclEntry& acl_entry : acl) {
    // The group's bits of a mode are the mask if there is one. libarchive makes them the group's.
    if (!is_access || acl_entry.tag != ACL_MASK) continue;
    metadata.status.st_mode &= ~static_cast<mode_t>(S_IRWXG);
    metadata.status.st_mode |= static_cast<mode_t>(acl_entry.permissions << 3);
  }
  auto& xattrs = metadata.xattrs;
  const std::string_view name = is_access ? posix::access_acl_xattr : posix::default_acl_xattr;
  std::erase_if(xattrs, [&](const auto& xattr) { return xattr.first == name; });
  xattrs.emplace_back(name, posix::encode_acl(acl));
  std::sort(xattrs.begin(), xattrs.end());
}

std::vector<posix::AclEntry> TarReader::read_acl(archive_entry* entry, int type) {
  std::vector<posix::AclEntry> acl;
  archive_entry_acl_reset(entry, type);
  int entry_type = 0;
  int permissions = 0;
  int tag = 0;
  int archive_id = 0;
  const char* name = nullptr;
  while (archive_entry_acl_next(entry, type, &entry_type, &permissions, &tag, &archive_id, &name) ==
         ARCHIVE_OK) {
    if (const auto id = acl_id(acl_tag(tag), archive_id, name)) {
      acl.push_back(
          {.tag = acl_tag(tag), .id = *id, .permissions = static_cast<std::uint16_t>(permissions)});
      continue;
    }
    progress_.warn(member_error(fmt::format("its access control list names {}, who is unknown "
                                            "here; left out of the list",
                                            name == nullptr ? "someone" : name))
                       .what());
  }
  return acl;
}

// An archive that was cut off between two members looks like one that ends there, but for the mark.
void TarReader::check_end_mark(std::int64_t end_of_members) {
  if (archive_filter_bytes(archive_.get(), 0) - end_of_members >= block_size) return;
  throw Error(Errc::corrupt, name_ + ": ends without the mark of the end: truncated");
}

void TarReader::warn_of_header() {
  const char* message = archive_error_string(archive_.get());
  if (message == nullptr || is_about_locale(message)) return;
  progress_.warn(member_error(message).what());
}

Error TarReader::failure() const {
  const char* reason = archive_error_string(archive_.get());
  return member_error(reason == nullptr ? "is damaged or cut short" : reason);
}

Error TarReader::member_error(const std::string& reason) const {
  const std::string subject = member_name_.empty() ? name_ : name_ + ": " + member_name_;
  return Error(Errc::corrupt, subject + ": " + reason);
}

}  // namespace cim::transfer
