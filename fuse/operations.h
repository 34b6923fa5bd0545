// The file system operations of a mounted image, as the kernel asks for them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <cim/image.h>
#include <fuse_lowlevel.h>
#include <sys/statvfs.h>

#include "posix/attributes.h"
#include "prefetch.h"
#include "read_around.h"

namespace cim {

// The most bytes that the kernel may ask for at once: 248 pages. With more, a SplicedReply of a few
// pieces would not fit into the largest unprivileged pipe, and would be copied.
constexpr unsigned max_read_size = 248 * 4096;

// Answers the kernel's requests from an image. Except for prefetching and read-around, all state is
// set before the first request, so the operations run in any number of threads without locks. Each
// is documented in fuse_lowlevel.h; an Error thrown before the reply is sent becomes the reply.
class FileSystem {
 public:
  struct Options {
    posix::MountDefaults defaults;

    // The directory of the image to show as the root of the mount.
    std::string subdirectory;

    // Show only the files that the last fork of the image made, and the directories that lead to
    // them.
    bool child_only = false;

    // Let the alternate data stream NAME of a file be read as `file:NAME`. It is not listed, as on
    // Windows.
    bool stream_paths = false;

    // For how long the kernel may answer for us, in seconds. Nothing in an image ever changes.
    double cache_time = 10.0 * 365 * 24 * 60 * 60;

    // How many small files to send ahead of a reader that reads them in order.
    unsigned prefetch = 64;
  };

  // `image` must outlive it. Throws Error: corrupt (the root is not a directory), unsupported
  // (child_only, and the image does not record which files those are), file_not_found or
  // not_a_directory (the subdirectory).
  FileSystem(const Image& image, const Options& options);

  // Sends small files ahead of their readers, until `stop`, in a thread that answers no requests.
  void prefetch(fuse_session* session, std::stop_token stop);

  void init(fuse_conn_info& connection);
  void lookup(fuse_req_t request, fuse_ino_t parent, const char* name) const;
  void forget(fuse_req_t request, fuse_ino_t inode, std::uint64_t count) const;
  void forget_multi(fuse_req_t request, std::size_t count, fuse_forget_data* forgets) const;
  void getattr(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) const;
  void readlink(fuse_req_t request, fuse_ino_t inode) const;
  void open(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) const;
  void read(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset,
            fuse_file_info* info) const;
  void lseek(fuse_req_t request, fuse_ino_t inode, off_t offset, int whence,
             fuse_file_info* info) const;
  void opendir(fuse_req_t request, fuse_ino_t inode, fuse_file_info* info) const;
  void readdir(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset,
               fuse_file_info* info) const;
  void readdirplus(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset,
                   fuse_file_info* info) const;
  void statfs(fuse_req_t request, fuse_ino_t inode) const;
  void getxattr(fuse_req_t request, fuse_ino_t inode, const char* name, std::size_t size) const;
  void listxattr(fuse_req_t request, fuse_ino_t inode, std::size_t size) const;

 private:
  class DirectoryReply;

  File file_at(fuse_ino_t inode) const;
  FileId parent_of(const File& directory) const;
  bool is_masked(FileId id) const noexcept;
  struct stat attributes_of(const File& file) const;
  fuse_entry_param cacheable_entry(const struct stat& status) const;
  fuse_entry_param entry_of(FileId id) const;
  fuse_entry_param listed_entry(FileId id) const;
  Stream stream_of_file(const File& file, std::uint32_t number) const;
  Stream stream_at(fuse_ino_t inode) const;
  struct stat attributes_at(fuse_ino_t inode) const;
  struct stat stream_attributes(const File& file, std::uint32_t number) const;
  std::optional<FileId> find(const File& directory, std::string_view name) const;
  std::optional<fuse_entry_param> find_dot(fuse_ino_t inode, std::string_view name) const;
  std::optional<fuse_entry_param> find_stream(const File& directory, std::string_view path) const;
  void list(fuse_req_t request, fuse_ino_t inode, std::size_t size, off_t offset, bool plus) const;
  void reply_negative_entry(fuse_req_t request) const;
  bool is_never_supported(std::string_view name) const;
  void reply_read(fuse_req_t request, const Stream& stream, std::size_t size,
                  std::uint64_t position) const;
  bool add_dot(DirectoryReply& reply, const File& directory, std::uint64_t position) const;
  bool add_entry(DirectoryReply& reply, const Directory& entries, std::uint64_t position) const;

  const Image& image_;
  const Options options_;
  const FileId root_;  // of the mount
  const posix::XattrNames xattr_names_;
  const std::optional<std::vector<FileId>> visible_;  // sorted; nothing: all files are visible
  struct statvfs statistics_ = {};
  mutable ReadAround read_around_;
  mutable Prefetcher prefetcher_;
  bool can_skip_open_ = false;     // the kernel takes ENOSYS from open as "always succeeds"
  bool can_skip_opendir_ = false;  // the same for opendir
};

// The operations above for fuse_session_new(3), whose user data must then be a FileSystem.
const fuse_lowlevel_ops& operations() noexcept;

}  // namespace cim
