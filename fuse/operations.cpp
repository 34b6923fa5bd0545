// Answers the kernel's requests.
#include "operations.h"

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <new>
#include <span>
#include <vector>

#include <cim/error.h>
#include <cim/name.h>
#include <fmt/format.h>
#include <linux/limits.h>

#include "checked_answers.h"
#include "inode.h"
#include "log.h"
#include "posix/acl.h"
#include "request_loop.h"
#include "spliced_reply.h"

namespace cim {
namespace {

// How many requests of the kernel's read-ahead may be in flight at once.
constexpr unsigned max_background_requests = 64;

// From this size on, moving pages through a pipe costs less than copying them.
constexpr std::size_t splice_threshold = 64 * 1024;

constexpr unsigned time_granularity = 100;  // ns, the unit of FILETIME

constexpr unsigned long block_size = 4096;

// `.` and `..`, which images do not store, are the first two entries of a directory.
constexpr std::uint64_t dot_entries = 2;

// Before libfuse 3.17 a connection has fields for 32 capabilities, which that version deprecates.
#if FUSE_VERSION >= FUSE_MAKE_VERSION(3, 17)
bool is_available(const fuse_conn_info& connection, std::uint64_t capability) {
  return (connection.capable_ext & capability) != 0;
}
// Does nothing if the kernel does not offer it.
void enable(fuse_conn_info& connection, std::uint64_t capability) {
  fuse_set_feature_flag(&connection, capability);
}
void disable(fuse_conn_info& connection, std::uint64_t capability) {
  fuse_unset_feature_flag(&connection, capability);
}
#else
bool is_available(const fuse_conn_info& connection, std::uint64_t capability) {
  return (connection.capable & capability) != 0;
}
void enable(fuse_conn_info& connection, std::uint64_t capability) {
  if (is_available(connection, capability)) connection.want |= static_cast<unsigned>(capability);
}
void disable(fuse_conn_info& connection, std::uint64_t capability) {
  connection.want &= ~static_cast<unsigned>(capability);
}
#endif

// Room for a reply of `size` bytes, valid until the thread's next call.
std::span<char> reply_buffer(std::size_t size) {
  thread_local std::vector<char> buffer;
  if (buffer.size() < size) buffer.resize(size);
  return std::span(buffer).first(size);
}

// Whether `name` is too long for any file of an image. A name of many bytes may take few UTF-16
// units, but not the reverse.
bool is_too_long(std::string_view name) {
  return name.size() > max_name_units && linux_to_image_name(name).size() > max_name_units;
}

// Replies with the value of an extended attribute, or with the list of names. With `size` 0 the
// caller only asks for the length.
void reply_xattr(fuse_req_t request, std::string_view value, std::size_t size) {
  if (size == 0) {
    fuse_reply_xattr(request, value.size());
  } else if (value.size() > size) {
    fuse_reply_err(request, ERANGE);
  } else {
    fuse_reply_buf(request, value.data(), value.size());
  }
}

struct statvfs statistics_of(const Image& image) {
  std::uint64_t bytes = 0;
  for (const RegionSetInfo& set : image.region_sets()) {
    for (const RegionInfo& region : set.regions) bytes += region.size;
  }
  struct statvfs statistics = {};
  statistics.f_bsize = block_size;
  statistics.f_frsize = block_size;
  statistics.f_blocks = (bytes + block_size - 1) / block_size;
  statistics.f_files = image.file_id_limit();
  statistics.f_namemax = NAME_MAX;
  return statistics;
}

// The errno for `error`. Logs an error that needs more explanation than an errno gives.
int report(const Error& error) noexcept {
  if (!is_sound()) return EIO;  // `error` is only a consequence of the fault
  switch (error.code()) {
    case Errc::corrupt:
    case Errc::unsupported:
    case Errc::io_error:
      log_error_once(error.what());
      return EIO;
    default:
      return to_errno(error.code());
  }
}

// The C function for an operation of FileSystem.
template <auto operation>
struct Callback;

template <typename... Arguments, void (FileSystem::*operation)(fuse_req_t, Arguments...) const>
struct Callback<operation> {
  static void call(fuse_req_t request, Arguments... arguments) noexcept {
    const auto* file_system = static_cast<const FileSystem*>(fuse_req_userdata(request));
    try {
      (file_system->*operation)(request, arguments...);
    } catch (const Error& error) {
      fuse_reply_err(request, report(error));
    } catch (const std::bad_alloc&) {
      fuse_reply_err(request, ENOMEM);
    } catch (const std::exception& error) {
      log_error_once(error.what());
      fuse_reply_err(request, EIO);
    }
  }
};

// The root of a mount of the directory at `path`, "" for the image's own.
FileId mount_root(const Image& image, const std::string& path) {
  const auto root = image.resolve(linux_to_image_path(path));
  if (!root) {
    throw Error(Errc::file_not_found, "there is no such directory in the image")
        .with_image(image.path())
        .with_object(path);
  }
  return *root;
}

void init(void* user_data, fuse_conn_info* connection) noexcept {
  static_cast<FileSystem*>(user_data)->init(*connection);
}

}  // namespace

// The entries of a directory that fit into one reply.
class FileSystem::DirectoryReply {
 public:
  DirectoryReply(fuse_req_t request, std::size_t size, bool plus)
      : request_(request), buffer_(reply_buffer(size)), plus_(plus) {}

  // Returns whether the entry fitted. The kernel asks for what follows it with `next_offset`.
  bool add(const char* name, const fuse_entry_param& entry, std::uint64_t next_offset) {
    const std::span<char> rest = buffer_.subspan(used_);
    const auto offset = static_cast<off_t>(next_offset);
    const std::size_t needed =
        plus_ ? fuse_add_direntry_plus(request_, rest.data(), rest.size(), name, &entry, offset)
              : fuse_add_direntry(request_, rest.data(), rest.size(), name, &entry.attr, offset);
    if (needed > rest.size()) return false;
    used_ += needed;
    return true;
  }

  void send() { fuse_reply_buf(request_, buffer_.data(), used_); }

 private:
  fuse_req_t request_;
  std::span<char> buffer_;
  std::size_t used_ = 0;
  bool plus_;
};

FileSystem::FileSystem(const Image& image, const Options& options)
    : image_(image),
      options_(options),
      root_(mount_root(image, options.subdirectory)),
      xattr_names_(image),
      visible_(options.child_only ? std::optional(image.files_of_last_fork()) : std::nullopt),
      statistics_(statistics_of(image)),
      prefetcher_(image, root_, read_around_, options.prefetch) {
  if (S_ISDIR(attributes_of(image.file(root_)).st_mode)) return;
  if (root_ == image.root()) {
    throw Error(Errc::corrupt, "the root is not a directory").with_image(image.path());
  }
  throw Error(Errc::not_a_directory, "is not a directory")
      .with_image(image.path())
      .with_object(options.subdirectory);
}

File FileSystem::file_at(fuse_ino_t inode) const { return image_.file(file_of(inode, root_)); }

// That of the root is the root itself.
FileId FileSystem::parent_of(const File& directory) const {
  return directory.id == root_ ? root_ : image_.parent(directory);
}

bool FileSystem::is_masked(FileId id) const noexcept {
  return visible_ && !std::binary_search(visible_->begin(), visible_->end(), id);
}

struct stat FileSystem::attributes_of(const File& file) const {
  struct stat status = posix::attributes(image_, file, options_.defaults);
  status.st_ino = inode_of(file.id, root_);
  return status;
}

fuse_entry_param FileSystem::cacheable_entry(const struct stat& status) const {
  fuse_entry_param entry = {};
  entry.attr = status;
  entry.ino = status.st_ino;
  entry.attr_timeout = options_.cache_time;
  entry.entry_timeout = options_.cache_time;
  return entry;
}

void FileSystem::reply_negative_entry(fuse_req_t request) const {
  fuse_entry_param none = {};
  none.entry_timeout = options_.cache_time;
  fuse_reply_entry(request, &none);
}

fuse_entry_param FileSystem::entry_of(FileId id) const {
  return cacheable_entry(attributes_of(image_.file(id)));
}

// A broken file must not keep its directory from being listed: it is listed without attributes, and
// asking for those fails.
fuse_entry_param FileSystem::listed_entry(FileId id) const {
  try {
    return entry_of(id);
  } catch (const Error& error) {
    report(error);
    fuse_entry_param entry = {};
    entry.attr.st_ino = inode_of(id, root_);
    return entry;
  }
}

// `number` is 0 for the file's data, else the index of an alternate stream plus 1.
Stream FileSystem::stream_of_file(const File& file, std::uint32_t number) const {
  return number == 0 ? file.stream : image_.named_stream(file, number - 1);
}

Stream FileSystem::stream_at(fuse_ino_t inode) const {
  return stream_of_file(file_at(inode), stream_of(inode));
}

struct stat FileSystem::attributes_at(fuse_ino_t inode) const {
  const File file = file_at(inode);
  const std::uint32_t number = stream_of(inode);
  return number == 0 ? attributes_of(file) : stream_attributes(file, number);
}

// A stream is a regular file with the owner, permissions and times of its file.
struct stat FileSystem::stream_attributes(const File& file, std::uint32_t number) const {
  constexpr mode_t read_and_write = 0666;
  File regular = file;
  regular.stream = stream_of_file(file, number);
  regular.reparse_tag = 0;
  struct stat status = posix::attributes(image_, regular, options_.defaults);
  status.st_mode = S_IFREG | (status.st_mode & read_and_write);
  status.st_nlink = 1;
  status.st_ino = inode_of(file.id, root_, number);
  return status;
}

// Nothing for a name that no file of an image can have.
std::optional<FileId> FileSystem::find(const File& directory, std::string_view name) const {
  char16_t units[max_name_units];
  const std::size_t size = linux_to_image_name(name, units, max_name_units);
  if (size > max_name_units) return std::nullopt;
  const auto id = image_.find(directory, {units, size});
  return id && !is_masked(*id) ? id : std::nullopt;
}

// `path` is `file:NAME`; both parts may contain a `:`.
std::optional<fuse_entry_param> FileSystem::find_stream(const File& directory,
                                                        std::string_view path) const {
  for (std::size_t colon = path.find(':'); colon != std::string_view::npos;
       colon = path.find(':', colon + 1)) {
    const auto id = find(directory, path.substr(0, colon));
    if (!id) continue;
    const File file = image_.file(*id);
    const std::u16string name = linux_to_image_name(path.substr(colon + 1));
    const auto index = image_.find_named_stream_index(file, name);
    if (index) return cacheable_entry(stream_attributes(file, *index + 1));
  }
  return std::nullopt;
}

// These two return false when the reply is full.
bool FileSystem::add_dot(DirectoryReply& reply, const File& directory,
                         std::uint64_t position) const {
  const bool parent = position == 1;
  const FileId id = parent ? parent_of(directory) : directory.id;
  fuse_entry_param entry = {};  // without an `ino`: the kernel does not look up dots
  entry.attr.st_ino = inode_of(id, root_);
  entry.attr.st_mode = S_IFDIR;
  return reply.add(parent ? ".." : ".", entry, position + 1);
}

bool FileSystem::add_entry(DirectoryReply& reply, const Directory& entries,
                           std::uint64_t position) const {
  EntryName image_name;
  const auto index = static_cast<std::uint32_t>(position - dot_entries);
  const FileId id = image_.entry(entries, index, image_name);
  if (is_masked(id)) return true;
  char name[max_name_bytes + 1];
  name[image_to_linux_name(image_name.view(), name)] = '\0';
  return reply.add(name, listed_entry(id), position + 1);
}

void FileSystem::prefetch(fuse_session* session, std::stop_token stop) {
  prefetcher_.run(session, std::move(stop));
}

void FileSystem::init(fuse_conn_info& connection) {
  constexpr std::uint64_t wanted[] = {
      FUSE_CAP_ASYNC_READ,      FUSE_CAP_READDIRPLUS,        FUSE_CAP_CACHE_SYMLINKS,
      FUSE_CAP_PARALLEL_DIROPS, FUSE_CAP_SPLICE_WRITE,       FUSE_CAP_SPLICE_MOVE,
      FUSE_CAP_NO_OPEN_SUPPORT, FUSE_CAP_NO_OPENDIR_SUPPORT, FUSE_CAP_EXPORT_SUPPORT};
  for (const std::uint64_t capability : wanted) enable(connection, capability);
  // With this, the kernel asks for the list of every file that someone other than its owner uses.
  if (xattr_names_.may_contain_acls()) enable(connection, FUSE_CAP_POSIX_ACL);
  // Every listing includes the attributes, data never changes, and requests are too short to be
  // worth a pipe. libfuse enables these by itself.
  constexpr std::uint64_t unwanted[] = {FUSE_CAP_READDIRPLUS_AUTO, FUSE_CAP_AUTO_INVAL_DATA,
                                        FUSE_CAP_SPLICE_READ};
  for (const std::uint64_t capability : unwanted) disable(connection, capability);
  connection.max_background = max_background_requests;
  connection.max_read = max_read_size;
  connection.max_readahead = max_read_size;
  connection.time_gran = time_granularity;
  can_skip_open_ = is_available(connection, FUSE_CAP_NO_OPEN_SUPPORT);
  can_skip_opendir_ = is_available(connection, FUSE_CAP_NO_OPENDIR_SUPPORT);
}

// The kernel looks up `.` and `..` when somebody opens a file handle (name_to_handle_at(2), NFS
// servers) of a file that it has forgotten. Then `inode` need not be a directory.
std::optional<fuse_entry_param> FileSystem::find_dot(fuse_ino_t inode,
                                                     std::string_view name) const {
  if (name == ".") return cacheable_entry(attributes_at(inode));
  if (name == "..") return entry_of(parent_of(file_at(inode)));
  return std::nullopt;
}

void FileSystem::lookup(fuse_req_t request, fuse_ino_t parent, const char* name) const {
  if (parent != FUSE_ROOT_ID) prefetcher_.note_descent();
  std::optional<fuse_entry_param> entry = find_dot(parent, name);
  if (!entry) {
    const File directory = file_at(parent);
    if (const auto id = find(directory, name)) {
      entry = entry_of(*id);
    } else if (options_.stream_paths) {
      entry = find_stream(directory, name);
    }
  }
  if (entry) {
    fuse_reply_entry(request, &*entry);
  } else if (is_too_long(name)) {
    fuse_reply_err(request, ENAMETOOLONG);
  } else {
    reply_negative_entry(request);
  }
}

void FileSystem::forget(fuse_req_t request, fuse_ino_t, std::uint64_t) const {
  fuse_reply_none(request);
}

void FileSystem::forget_multi(fuse_req_t request, std::size_t, fuse_forget_data*) const {
  fuse_reply_none(request);
}

void FileSystem::getattr(fuse_req_t request, fuse_ino_t inode, fuse_file_info*) const {
  const struct stat status = attributes_at(inode);
  fuse_reply_attr(request, &status, options_.cache_time);
}

void FileSystem::readlink(fuse_req_t request, fuse_ino_t inode) const {
  const std::string target = posix::symlink_target(image_, file_at(inode));
  if (target.size() >= PATH_MAX) {
    fuse_reply_err(request, ENAMETOOLONG);
    return;
  }
  fuse_reply_readlink(request, target.c_str());
}

void FileSystem::open(fuse_req_t request, fuse_ino_t, fuse_file_info* info) const {
  if (can_skip_open_) {
    fuse_reply_err(request, ENOSYS);
    return;
  }
  info->keep_cache = 1;
  fuse_reply_open(request, info);
}

void FileSystem::read(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset,
                      fuse_file_info*) const {
  const File file = file_at(inode);
  const std::uint32_t number = stream_of(inode);
  const Stream stream = stream_of_file(file, number);
  reply_read(request, stream, size, static_cast<std::uint64_t>(offset));
  if (offset == 0 && number == 0) prefetcher_.note_read(file);
}

void FileSystem::reply_read(fuse_req_t request, const Stream& stream, std::size_t size,
                            std::uint64_t position) const {
  // The kernel takes a reply that is shorter than it asked for as the end of the file.
  const std::uint64_t rest = stream.length - std::min(position, stream.length);
  const std::uint64_t length = std::min<std::uint64_t>(size, rest);
  SplicedReply spliced;
  if (length >= splice_threshold && spliced.find(image_, stream, position, length)) {
    RequestLoop::let_others_watch();
    read_around_.prepare_next(spliced.last_extent(), rest - length);
    spliced.send(request, image_);
    return;
  }
  if (read_around_.prepare(image_, stream, position, length)) RequestLoop::let_others_watch();
  const std::span<char> buffer = reply_buffer(length);
  const std::size_t read = image_.read(stream, position, std::as_writable_bytes(buffer));
  fuse_reply_buf(request, buffer.data(), read);
}

void FileSystem::lseek(fuse_req_t request, fuse_ino_t inode, off_t offset, int whence,
                       fuse_file_info*) const {
  const Stream stream = stream_at(inode);
  const auto found = image_.seek(stream, static_cast<std::uint64_t>(offset), whence == SEEK_DATA);
  if (!found) {
    fuse_reply_err(request, ENXIO);
    return;
  }
  fuse_reply_lseek(request, static_cast<off_t>(*found));
}

void FileSystem::opendir(fuse_req_t request, fuse_ino_t, fuse_file_info* info) const {
  if (can_skip_opendir_) {
    fuse_reply_err(request, ENOSYS);
    return;
  }
  info->keep_cache = 1;
  info->cache_readdir = 1;
  fuse_reply_open(request, info);
}

void FileSystem::list(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset,
                      bool plus) const {
  if (inode != FUSE_ROOT_ID) prefetcher_.note_descent();
  const File directory = file_at(inode);
  const Directory entries = image_.entries(directory);
  const std::uint64_t end = dot_entries + entries.size();
  DirectoryReply reply(request, size, plus);
  for (auto position = static_cast<std::uint64_t>(offset); position < end; ++position) {
    const bool added = position < dot_entries ? add_dot(reply, directory, position)
                                              : add_entry(reply, entries, position);
    if (!added) break;
  }
  reply.send();
}

void FileSystem::readdir(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset,
                         fuse_file_info*) const {
  list(request, inode, size, offset, false);
}

void FileSystem::readdirplus(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset,
                             fuse_file_info*) const {
  list(request, inode, size, offset, true);
}

void FileSystem::statfs(fuse_req_t request, fuse_ino_t) const {
  fuse_reply_statfs(request, &statistics_);
}

// Whether no file of the image has `name`, one of the attributes that ls(1) asks every file for
// until it learns that the file system does not support them.
bool FileSystem::is_never_supported(std::string_view name) const {
  if (name == posix::access_acl_xattr || name == posix::default_acl_xattr) {
    return !xattr_names_.may_contain_acls();
  }
  return name == "security.selinux" && !xattr_names_.may_contain(name);
}

void FileSystem::getxattr(fuse_req_t request, fuse_ino_t inode, const char* name,
                          std::size_t size) const {
  if (is_never_supported(name)) {
    fuse_reply_err(request, EOPNOTSUPP);
    return;
  }
  // A stream has no attributes of its own, but its file's access control list applies to it.
  const bool none = stream_of(inode) != 0 && name != posix::access_acl_xattr;
  const auto value = none ? std::nullopt : posix::get_xattr(image_, file_at(inode), name);
  if (!value) {
    fuse_reply_err(request, ENODATA);
    return;
  }
  reply_xattr(request, *value, size);
}

void FileSystem::listxattr(fuse_req_t request, fuse_ino_t inode, std::size_t size) const {
  if (stream_of(inode) != 0) {
    reply_xattr(request, {}, size);
    return;
  }
  const bool root = fuse_req_ctx(request)->uid == 0;
  std::string names;
  for (const std::string& name : posix::list_xattrs(image_, file_at(inode))) {
    // The kernel lets only root read these, but leaves it to us not to list them to others.
    if (name.starts_with("trusted.") && !root) continue;
    names.append(name).push_back('\0');
  }
  reply_xattr(request, names, size);
}

const fuse_lowlevel_ops& operations() noexcept {
  static const fuse_lowlevel_ops table = [] {
    fuse_lowlevel_ops ops = {};
    ops.init = init;
    ops.lookup = Callback<&FileSystem::lookup>::call;
    ops.forget = Callback<&FileSystem::forget>::call;
    ops.forget_multi = Callback<&FileSystem::forget_multi>::call;
    ops.getattr = Callback<&FileSystem::getattr>::call;
    ops.readlink = Callback<&FileSystem::readlink>::call;
    ops.open = Callback<&FileSystem::open>::call;
    ops.read = Callback<&FileSystem::read>::call;
    ops.lseek = Callback<&FileSystem::lseek>::call;
    ops.opendir = Callback<&FileSystem::opendir>::call;
    ops.readdir = Callback<&FileSystem::readdir>::call;
    ops.readdirplus = Callback<&FileSystem::readdirplus>::call;
    ops.statfs = Callback<&FileSystem::statfs>::call;
    ops.getxattr = Callback<&FileSystem::getxattr>::call;
    ops.listxattr = Callback<&FileSystem::listxattr>::call;
    return ops;
  }();
  return table;
}

}  // namespace cim
