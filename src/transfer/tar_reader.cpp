// Reads tar archives with libarchive, and corrects its idea of Linux metadata.
#include "transfer/tar_reader.h"

#include <algorithm>
#include <climits>
#include <clocale>
#include <map>
#include <string_view>
#include <utility>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>
#include <grp.h>
#include <linux/posix_acl.h>
#include <linux/xattr.h>
#include <pwd.h>
#include <sys/sysmacros.h>

#include "posix/acl.h"

namespace cim::transfer {
namespace {

// Puts the thread in the C locale while it lives. In other locales libarchive converts names (to
// Unicode's composed forms, say); in this one it cannot, and returns their bytes.
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

// Of one member. libarchive takes no pax header over 1 MiB.
constexpr std::uint64_t max_headers_size = 64 << 20;

// libarchive's warning about a name that it could not convert.
bool is_about_locale(std::string_view message) {
  return message.find("can't be converted from") != std::string_view::npos;
}

// ARCHIVE_RETRY, for one, means a damaged header.
bool succeeded(int result) { return result == ARCHIVE_OK || result == ARCHIVE_WARN; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// GNU tar writes `=` and `%` in the name of an extended attribute as %3D and %25, bsdtar also other
// characters, and libarchive does not decode them.
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

// Sorted; bsdtar stores each attribute twice.
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

// Whether `name` is in a namespace that some Linux file system has. Other systems have no
// namespaces.
bool has_namespace(std::string_view name) {
  constexpr std::string_view namespaces[] = {
      XATTR_USER_PREFIX,  XATTR_TRUSTED_PREFIX, XATTR_SECURITY_PREFIX, XATTR_SYSTEM_PREFIX,
      XATTR_BTRFS_PREFIX, XATTR_MAC_OSX_PREFIX, XATTR_OS2_PREFIX};
  return std::ranges::any_of(namespaces,
                             [&](std::string_view prefix) { return name.starts_with(prefix); });
}

// The kernel's tag for a tag of libarchive.
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

// The number of the user or group that an entry names; nothing if this machine does not know it.
// Without --numeric-owner GNU tar stores only the name.
std::optional<std::uint32_t> acl_id(std::uint16_t tag, int id, const char* name) {
  if (tag != ACL_USER && tag != ACL_GROUP) return 0;
  if (id == INT_MAX) return std::nullopt;  // libarchive's value for any larger number
  if (id >= 0) return static_cast<std::uint32_t>(id);
  if (name == nullptr) return std::nullopt;
  if (tag == ACL_USER) {
    const passwd* user = getpwnam(name);  // NOLINT(concurrency-mt-unsafe): one thread reads
    return user == nullptr ? std::nullopt : std::optional<std::uint32_t>(user->pw_uid);
  }
  const group* found = getgrnam(name);  // NOLINT(concurrency-mt-unsafe)
  return found == nullptr ? std::nullopt : std::optional<std::uint32_t>(found->gr_gid);
}

// Bytes of a member's data that are in the archive: everything but the holes.
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

// Whether a global record says where members' data is. No sane archive has such a record.
bool is_about_data(std::string_view key) { return key == "size" || key.starts_with("GNU.sparse."); }

// The record of `key`; the last one counts.
const PaxRecord* find_record(const std::vector<PaxRecord>& records, std::string_view key) {
  const PaxRecord* found = nullptr;
  for (const PaxRecord& record : records) {
    if (record.key == key) found = &record;
  }
  return found;
}

// libarchive reads `-1.5` in a pax record as -1 s and 500 ms, which a timespec takes for -0.5 s,
// and `-0.5` as `0.5`. `record` is the record, if there is one.
timespec modification_time(archive_entry* entry, std::string_view record) {
  constexpr long nanoseconds_per_second = 1'000'000'000;
  const timespec time = {.tv_sec = archive_entry_mtime(entry),
                         .tv_nsec = archive_entry_mtime_nsec(entry)};
  if (time.tv_sec > 0 || time.tv_nsec == 0) return time;
  if (time.tv_sec == 0 && !record.starts_with('-')) return time;
  return {.tv_sec = time.tv_sec - 1, .tv_nsec = nanoseconds_per_second - time.tv_nsec};
}

}  // namespace

void TarReader::CloseArchive::operator()(archive* reader) const noexcept {
  archive_read_free(reader);
}

TarReader::TarReader(Input& input, std::string name, Progress& progress)
    : name_(std::move(name)), progress_(progress), input_(input), archive_(archive_read_new()) {
  if (!archive_) throw Error(Errc::out_of_memory, "out of memory").with_path(name_);
  archive_read_support_format_tar(archive_.get());
  const auto callback = [](archive* reader, void* self, const void** bytes) -> la_ssize_t {
    try {
      const std::string_view block = static_cast<TarReader*>(self)->next_input();
      *bytes = block.data();
      return static_cast<la_ssize_t>(block.size());
    } catch (const Error& error) {
      archive_set_error(reader, to_errno(error.code()), "%s", error.reason().c_str());
      return -1;
    }
  };
  if (archive_read_open(archive_.get(), this, nullptr, callback, nullptr) != ARCHIVE_OK) {
    throw failure();
  }
}

TarReader::~TarReader() = default;

std::string_view TarReader::next_input() {
  if (in_headers_ && input_.kept_size() > max_headers_size) {
    throw Error(Errc::limit_exceeded, "a member has too large headers");
  }
  if (!in_headers_) input_.forget_before(position());
  return input_.next();
}

std::optional<TarMember> TarReader::next() {
  const InCLocale scope;
  if (!member_name_.empty() && !succeeded(archive_read_data_skip(archive_.get()))) {
    throw failure();
  }
  member_name_.clear();
  const std::uint64_t start = position();
  input_.forget_before(start);
  archive_entry* entry = nullptr;
  in_headers_ = true;
  const int result = archive_read_next_header(archive_.get(), &entry);
  in_headers_ = false;
  if (result == ARCHIVE_EOF) {
    check_end_mark(start);
    drain();
    return std::nullopt;
  }
  if (!succeeded(result)) throw failure();
  const std::string bytes = input_.bytes(start, position());
  const MemberHeaders headers = parse_member_headers(bytes);
  add_global_records(headers);
  if (!global_records_.empty()) entry = read_again_with_global_records(headers);
  return to_member(entry, headers);
}

void TarReader::drain() {
  try {
    input_.drain();
  } catch (const Error& error) {
    throw error.with_path(name_);
  }
}

// libarchive reads global headers and ignores them.
void TarReader::add_global_records(const MemberHeaders& headers) {
  for (const std::string_view text : headers.global_records) {
    const auto records = parse_pax_records(text);
    if (!records) throw member_error("a global header is malformed");
    for (const PaxRecord& record : *records) {
      if (is_about_data(record.key)) {
        throw Error(Errc::unsupported,
                    fmt::format("a global header gives all members one '{}'", record.key))
            .with_path(name_);
      }
      if (record.value.empty()) {
        global_records_.erase(std::string(record.key));
      } else if (record.key != "comment") {
        global_records_.insert_or_assign(std::string(record.key), record.value);
      }
    }
  }
}

// The member with the global records added to its own, except those that it overrides.
archive_entry* TarReader::read_again_with_global_records(const MemberHeaders& headers) {
  const auto own = parse_pax_records(headers.records).value_or(std::vector<PaxRecord>());
  std::string records;
  for (const auto& [key, value] : global_records_) {
    if (find_record(own, key) == nullptr) add_pax_record(records, key, value);
  }
  records += headers.records;
  rewritten_ = bytes_of(pax_header("global", records.size()));
  rewritten_ += records + padding_after(records.size()) + headers.rest;

  rewritten_archive_.reset(archive_read_new());
  if (!rewritten_archive_) throw Error(Errc::out_of_memory, "out of memory").with_path(name_);
  archive_read_support_format_tar(rewritten_archive_.get());
  archive_entry* entry = nullptr;
  if (!succeeded(archive_read_open_memory(rewritten_archive_.get(), rewritten_.data(),
                                          rewritten_.size())) ||
      !succeeded(archive_read_next_header(rewritten_archive_.get(), &entry))) {
    throw member_error("a member does not fit the global header");
  }
  return entry;
}

std::map<std::string, std::string, std::less<>> TarReader::records_of(
    const MemberHeaders& headers) const {
  auto records = global_records_;
  const auto own = parse_pax_records(headers.records);
  if (!own) throw member_error("its pax header is malformed");
  for (const PaxRecord& record : *own) {
    records.insert_or_assign(std::string(record.key), record.value);
  }
  return records;
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

TarMember TarReader::to_member(archive_entry* entry, const MemberHeaders& headers) {
  const char* name = archive_entry_pathname(entry);
  if (name == nullptr || *name == '\0') {
    throw member_error("a member has no name");
  }
  member_name_ = name;
  auto records = records_of(headers);
  warn_of_header();

  TarMember member = {.name = name, .metadata = to_metadata(entry), .records = std::move(records)};
  const auto time = member.records.find("mtime");
  member.metadata.status.st_mtim =
      modification_time(entry, time == member.records.end() ? "" : time->second);
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
  // This is how tar wrote directories before it had a type for them.
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
  if (const char* target = archive_entry_symlink(entry)) metadata.symlink_target = target;
  metadata.xattrs = xattrs_of(entry);
  give_namespaces(metadata);
  add_acl(entry, metadata, ARCHIVE_ENTRY_ACL_TYPE_ACCESS);
  add_acl(entry, metadata, ARCHIVE_ENTRY_ACL_TYPE_DEFAULT);
  return metadata;
}

// Moves extended attributes of other systems, like macOS' com.apple.provenance, to where Linux can
// have them.
void TarReader::give_namespaces(posix::LinuxMetadata& metadata) {
  const mode_t mode = metadata.status.st_mode;
  const bool can_have_user = S_ISREG(mode) || S_ISDIR(mode);
  std::map<std::string, std::string> xattrs;
  for (auto& [name, value] : metadata.xattrs) {
    if (has_namespace(name)) xattrs[name] = std::move(value);
  }
  for (auto& [name, value] : metadata.xattrs) {
    if (has_namespace(name)) continue;
    const std::string about = "extended attribute " + name + " is in no namespace of Linux";
    if (!can_have_user) {
      warn_once(warned_of_special_, about +
                                        "; left out, as are all others like it: only "
                                        "regular files and directories can have them as "
                                        "user. attributes");
    } else if (xattrs.try_emplace("user." + name, value).second) {
      warn_once(warned_of_user_, about + "; kept with the prefix user., as are all others like it");
    } else if (xattrs["user." + name] != value) {
      progress_.warn(member_error(about + ", and user." + name + " is taken; left out").what());
    }
  }
  metadata.xattrs.assign(xattrs.begin(), xattrs.end());
}

void TarReader::warn_once(bool& warned, const std::string& message) {
  if (!std::exchange(warned, true)) progress_.warn(member_error(message).what());
}

// Adds the access control list of `type`, if there is one, as Linux' extended attribute for it.
void TarReader::add_acl(archive_entry* entry, posix::LinuxMetadata& metadata, int type) {
  if ((archive_entry_acl_types(entry) & type) == 0) return;
  const bool is_access = type == ARCHIVE_ENTRY_ACL_TYPE_ACCESS;
  const std::vector<posix::AclEntry> acl = read_acl(entry, type);
  for (const posix::AclEntry& acl_entry : acl) {
    // If there is a mask, it is the group's bits of the mode. libarchive uses the group's entry
    // instead.
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

// An archive cut off between two members looks complete but for its end mark, which some programs
// do not write at all.
void TarReader::check_end_mark(std::uint64_t end_of_members) {
  if (position() - end_of_members >= tar_block_size) return;
  progress_.warn(member_error("has no end mark; it may have been cut off").what());
}

// How much of the decompressed archive libarchive has read.
std::uint64_t TarReader::position() const {
  return static_cast<std::uint64_t>(archive_filter_bytes(archive_.get(), 0));
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
  return Error(Errc::corrupt, reason).with_path(name_).with_object(member_name_);
}

}  // namespace cim::transfer
