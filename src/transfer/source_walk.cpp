// Walks a directory tree on disk.
#include "transfer/source_walk.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include <cim/error.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "transfer/patterns.h"
#include "writer/pending_file.h"

namespace cim::transfer {
namespace {

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { closedir(directory); }
};

// A stream with its own descriptor, so that closing it leaves `directory` open.
std::unique_ptr<DIR, CloseDirectory> open_listing(int directory, const std::string& path) {
  const int own = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (own < 0) throw system_error(errno, path);
  DIR* listing = fdopendir(own);
  if (listing == nullptr) {
    const int error_number = errno;
    close(own);
    throw system_error(error_number, path);
  }
  return std::unique_ptr<DIR, CloseDirectory>(listing);
}

// For file systems whose directories do not record the types of their entries.
unsigned char stat_type(int directory, const char* name, const std::string& path) {
  struct stat status;
  if (fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
    throw system_error(errno, path + "/" + name);
  }
  return directory_entry_type(status.st_mode);
}

dev_t file_system_of(int directory, const std::string& path) {
  struct stat status;
  if (fstat(directory, &status) != 0) throw system_error(errno, path);
  return status.st_dev;
}

bool is_dot_or_dot_dot(std::string_view name) { return name == "." || name == ".."; }

}  // namespace

// O_NONBLOCK is for a fifo that has replaced a regular file meanwhile.
int open_flags(unsigned char type) {
  constexpr int common = O_NOFOLLOW | O_CLOEXEC;
  if (type == DT_REG) return common | O_RDONLY | O_NONBLOCK;
  if (type == DT_DIR) return common | O_RDONLY | O_DIRECTORY;
  return common | O_PATH;
}

SourceWalk::SourceWalk(std::string path, FileDescriptor directory,
                       const std::vector<std::string>& exclude, bool one_file_system)
    : exclude_(exclude), path_(std::move(path)), root_length_(path_.size()) {
  if (one_file_system) file_system_ = file_system_of(directory.get(), path_);
  enter(std::move(directory));
}

bool SourceWalk::next() {
  while (!levels_.empty()) {
    Level& level = levels_.back();
    path_.resize(level.path_length);
    if (level.next < level.entries.size()) {
      path_ += '/';
      path_ += level.entries[level.next++].name;
      return true;
    }
    levels_.pop_back();
    if (!levels_.empty()) path_.resize(levels_.back().path_length);
    directories_.leave(path_);
  }
  return false;
}

FileDescriptor SourceWalk::open() const {
  FileDescriptor fd(openat(directory(), name(), open_flags(type())));
  if (!fd) throw system_error(errno, path_);
  return fd;
}

std::string_view SourceWalk::relative_path() const noexcept {
  return std::string_view(path_).substr(root_length_ + 1);
}

void SourceWalk::enter(FileDescriptor directory) {
  std::vector<Entry> entries;
  if (!is_elsewhere(directory.get())) entries = list(directory.get());
  levels_.push_back({std::move(entries), 0, path_.size()});
  directories_.enter(std::move(directory));
}

bool SourceWalk::is_elsewhere(int directory) const {
  return file_system_ && file_system_of(directory, path_) != *file_system_;
}

// The entries of the directory being entered, sorted.
std::vector<SourceWalk::Entry> SourceWalk::list(int directory) const {
  std::vector<Entry> entries;
  const auto listing = open_listing(directory, path_);
  const std::string relative_directory = (path_ + "/").substr(root_length_ + 1);
  for (errno = 0; const dirent* found = readdir(listing.get()); errno = 0) {
    if (is_dot_or_dot_dot(found->d_name)) continue;
    if (!exclude_.empty() && is_excluded(exclude_, relative_directory + found->d_name)) continue;
    const unsigned char type =
        found->d_type == DT_UNKNOWN ? stat_type(directory, found->d_name, path_) : found->d_type;
    if (type == DT_REG && is_temporary_name(found->d_name)) continue;
    entries.push_back({found->d_name, type});
  }
  if (errno != 0) throw system_error(errno, path_);
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.name < b.name; });
  return entries;
}

}  // namespace cim::transfer
