// The files that a container image consists of.
#include "oci/files.h"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <archive.h>
#include <archive_entry.h>
#include <cim/error.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/region.h"
#include "transfer/decompressed_input.h"
#include "transfer/input.h"
#include "writer/pending_file.h"

namespace cim::oci {
namespace {

// Of a sane archive. Longer names are none that a container image has.
constexpr std::size_t max_members = 100'000;
constexpr std::size_t max_name_size = 255;
constexpr int max_links = 16;
constexpr std::size_t block_size = 64 << 10;

// `path`, without `.` and `..`; nothing if it leads out of where it starts.
std::optional<std::string> normal_path(std::string_view path) {
  std::vector<std::string_view> names;
  while (!path.empty()) {
    const std::string_view name = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), name.size() + 1));
    if (name.empty() || name == ".") continue;
    if (name != "..") {
      names.push_back(name);
    } else if (names.empty()) {
      return std::nullopt;
    } else {
      names.pop_back();
    }
  }
  std::string normal;
  for (const std::string_view name : names) {
    if (!normal.empty()) normal += '/';
    normal += name;
  }
  return normal;
}

// Throws Error for an absolute path, and one that leads out of `files`.
std::string inner_path(const std::string& path, const Files& files) {
  const auto normal = normal_path(path);
  if (normal && !path.starts_with('/')) return *normal;
  throw Error(Errc::corrupt, "leads out of there").with_path(files.name()).with_object(path);
}

class DirectoryFiles : public Files {
 public:
  explicit DirectoryFiles(const std::string& directory)
      : name_(directory), fd_(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {
    if (!fd_) throw system_error(errno, directory);
  }

  std::optional<StoredFile> find(const std::string& path) const override {
    const std::string inner = inner_path(path, *this);
    try {
      FileDescriptor file = open_regular_file(fd_.get(), inner, name_ + "/" + inner);
      const std::uint64_t size = file_size(file.get(), inner);
      return StoredFile{std::move(file), 0, size};
    } catch (const Error& error) {
      if (to_errno(error.code()) == ENOENT) return std::nullopt;
      throw;
    }
  }

  const std::string& name() const override { return name_; }

 private:
  const std::string name_;
  const FileDescriptor fd_;
};

class ArchiveFiles : public Files {
 public:
  // Reads all headers.
  ArchiveFiles(FileDescriptor fd, const std::string& name)
      : name_(name), fd_(std::move(fd)), size_(file_size(fd_.get(), name)) {
    if (lseek(fd_.get(), 0, SEEK_SET) != 0) throw system_error(errno, name_);
    const Reader reader(archive_read_new());
    if (!reader) throw Error(Errc::out_of_memory, "out of memory");
    archive_read_support_format_tar(reader.get());
    if (archive_read_open_fd(reader.get(), fd_.get(), block_size) != ARCHIVE_OK) {
      throw failure(reader.get());
    }
    for (;;) {
      archive_entry* entry = nullptr;
      const int result = archive_read_next_header(reader.get(), &entry);
      if (result == ARCHIVE_EOF) break;
      if (result != ARCHIVE_OK && result != ARCHIVE_WARN) throw failure(reader.get());
      add(entry, static_cast<std::uint64_t>(archive_filter_bytes(reader.get(), 0)));
    }
  }

  std::optional<StoredFile> find(const std::string& path) const override {
    std::string inner = inner_path(path, *this);
    for (int links = 0; links < max_links; ++links) {
      const auto member = members_.find(inner);
      if (member == members_.end()) return std::nullopt;
      if (!member->second.target) return stored_file(member->second);
      inner = *member->second.target;
    }
    return std::nullopt;
  }

  const std::string& name() const override { return name_; }

 private:
  struct Free {
    void operator()(archive* reader) const noexcept { archive_read_free(reader); }
  };
  using Reader = std::unique_ptr<archive, Free>;

  struct Member {
    std::uint64_t position = 0;
    std::uint64_t size = 0;
    std::optional<std::string> target;  // of a link, the path of another member
  };

  void add(archive_entry* entry, std::uint64_t position) {
    const char* const text = archive_entry_pathname(entry);
    const auto path = normal_path(text == nullptr ? "" : text);
    if (!path || path->empty() || path->size() > max_name_size) return;
    auto member = to_member(entry, *path, position);
    if (!member) return;
    members_.insert_or_assign(*path, *std::move(member));
    if (members_.size() > max_members) {
      throw Error(Errc::limit_exceeded, "has too many members for a container image")
          .with_path(name_);
    }
  }

  // Nothing for what is neither a file nor a link to something in here.
  std::optional<Member> to_member(archive_entry* entry, const std::string& path,
                                  std::uint64_t position) const {
    if (const char* const link = archive_entry_hardlink(entry)) return link_to(link);
    if (const char* const link = archive_entry_symlink(entry)) {
      return link_to(path.substr(0, path.rfind('/') + 1) + link);  // npos + 1 is 0
    }
    if (archive_entry_filetype(entry) != AE_IFREG) return std::nullopt;
    if (archive_entry_sparse_count(entry) != 0) {
      throw Error(Errc::unsupported, "is stored with holes").with_path(name_).with_object(path);
    }
    const auto size = static_cast<std::uint64_t>(archive_entry_size(entry));
    if (position > size_ || size > size_ - position) {
      throw Error(Errc::corrupt, "is cut short").with_path(name_).with_object(path);
    }
    return Member{.position = position, .size = size, .target = {}};
  }

  static std::optional<Member> link_to(const std::string& path) {
    auto target = normal_path(path);
    if (!target) return std::nullopt;
    return Member{.target = std::move(target)};
  }

  StoredFile stored_file(const Member& member) const {
    FileDescriptor fd(fcntl(fd_.get(), F_DUPFD_CLOEXEC, 0));
    if (!fd) throw system_error(errno, name_);
    return {std::move(fd), member.position, member.size};
  }

  Error failure(archive* reader) const {
    const char* const reason = archive_error_string(reader);
    return Error(Errc::corrupt, reason == nullptr ? "is damaged or cut short" : reason)
        .with_path(name_);
  }

  const std::string name_;
  const FileDescriptor fd_;
  const std::uint64_t size_;
  std::unordered_map<std::string, Member> members_;
};

bool is_regular_file(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
}

bool is_compressed(int fd, std::uint64_t size) {
  transfer::FilePartInput file(fd, 0, size);
  return transfer::DecompressedInput(file).is_compressed();
}

// A file without a name with what `input` has when it is decompressed.
FileDescriptor spool(transfer::Input& input, const std::string& directory) {
  const FileDescriptor directory_fd(open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory_fd) throw system_error(errno, directory);
  PendingFile file(directory_fd.get(), directory);
  transfer::DecompressedInput bytes(input);
  std::uint64_t position = 0;
  for (std::string_view block = bytes.next(); !block.empty(); block = bytes.next()) {
    file.write_at(position, block.data(), block.size());
    position += block.size();
  }
  bytes.drain();
  FileDescriptor fd(fcntl(file.fd(), F_DUPFD_CLOEXEC, 0));
  if (!fd) throw system_error(errno, directory);
  return fd;
}

// The archive `fd`, or a copy of it, as a file that is not compressed.
FileDescriptor as_plain_file(int fd, const std::string& spool_directory) {
  if (!is_regular_file(fd)) {
    transfer::FileInput input(fd);
    return spool(input, spool_directory);
  }
  const std::uint64_t size = file_size(fd, {});
  if (is_compressed(fd, size)) {
    transfer::FilePartInput input(fd, 0, size);
    return spool(input, spool_directory);
  }
  FileDescriptor own(fcntl(fd, F_DUPFD_CLOEXEC, 0));
  if (!own) throw system_error(errno);
  return own;
}

}  // namespace

std::unique_ptr<Files> files_of_directory(const std::string& directory) {
  return std::make_unique<DirectoryFiles>(directory);
}

std::unique_ptr<Files> files_of_archive(int fd, const std::string& name,
                                        const std::string& spool_directory) {
  try {
    return std::make_unique<ArchiveFiles>(as_plain_file(fd, spool_directory), name);
  } catch (const Error& error) {
    throw error.with_path(name);
  }
}

}  // namespace cim::oci
