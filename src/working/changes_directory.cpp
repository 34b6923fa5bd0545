#include "working/changes_directory.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <iterator>

#include <boost/filesystem.hpp>
#include <cim/error.h>
#include <cim/image.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mount/patience.h"
#include "posix/linux_metadata.h"
#include "transfer/metadata_restorer.h"
#include "transfer/overlay_marks.h"
#include "writer/pending_file.h"

namespace cim::working {
namespace {

namespace fs = boost::filesystem;

constexpr const char* base_file = "image";
constexpr const char* root_file = "root";
constexpr const char* kind_file = "overlay";
constexpr const char* mount_point_file = "mount-point";
constexpr const char* replace_file = "replace";
constexpr const char* result_file = "result";
constexpr const char* lower_directory = "lower";
constexpr const char* upper_directory = "upper";
constexpr const char* work_directory = "work";
constexpr const char* tree_directory = "tree";
constexpr const char* earlier_directory = "earlier";
constexpr const char* new_earlier_directory = "earlier.new";

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::string contents((std::istreambuf_iterator<char>(file)), {});
  if (file.bad()) throw Error(Errc::io_error, "cannot be read").with_path(path);
  return contents;
}

void make_directory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) throw system_error(errno, path);
}

FileDescriptor open_directory(const std::string& path) {
  FileDescriptor fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) throw system_error(errno, path);
  return fd;
}

Error in_use(const std::string& path) {
  return Error(Errc::sharing_violation, "another process works on these changes").with_path(path);
}

// The directory `path`, locked.
FileDescriptor lock_directory(const std::string& path) {
  FileDescriptor fd = open_directory(path);
  // What a killed process has left behind is about to end, too.
  const bool is_locked = wait_patiently([&] {
    if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return true;
    if (errno != EWOULDBLOCK) throw system_error(errno, path);
    return false;
  });
  if (!is_locked) throw in_use(path);
  return fd;
}

// The metadata of the root is no reason for a message: what an overlay cannot keep it does not
// change either.
class Silence : public transfer::Progress {
 public:
  void advance(const transfer::Amount& /*step*/) override {}
  void warn(const std::string& /*message*/) override {}
};

// Gives the directory `path` the metadata of the root of `image`: an overlay shows that of its
// upper directory.
void copy_root_metadata(const Image& image, const std::string& path) {
  const FileDescriptor fd = open_directory(path);
  Silence silence;
  transfer::MetadataRestorer restorer(image, silence);
  const File root = image.file(image.root());
  // The root of an image can have named streams, but those that cannot be attributes stay below.
  static_cast<void>(restorer.apply(fd.get(), root, restorer.attributes(root), path));
}

// An overlay leaves directories that even their owner cannot search. Symbolic links are not
// followed, and nothing may be mounted below.
void let_owner_in(const fs::path& directory) {
  boost::system::error_code error;
  fs::permissions(directory, fs::add_perms | fs::owner_all, error);
  for (fs::directory_iterator entry(directory, error), end; entry != end; entry.increment(error)) {
    if (error) return;
    if (fs::symlink_status(entry->path(), error).type() == fs::directory_file) {
      let_owner_in(entry->path());
    }
  }
}

// Whether `directory` is what is left of one that was being made or removed: nobody's loss.
bool is_incomplete(const fs::path& directory) {
  constexpr std::array names = {base_file,        root_file,         kind_file,
                                mount_point_file, replace_file,      result_file,
                                lower_directory,  upper_directory,   work_directory,
                                tree_directory,   earlier_directory, new_earlier_directory};
  bool has_base = false;
  for (const fs::directory_entry& entry : fs::directory_iterator(directory)) {
    const std::string name = entry.path().filename().native();
    if (std::ranges::find(names, name) == names.end() && !is_temporary_name(name)) return false;
    has_base |= name == base_file;
  }
  return has_base;
}

void require_nothing_else(const std::string& path) {
  boost::system::error_code error;
  if (!fs::exists(path, error) || fs::is_empty(path, error) || is_incomplete(path)) return;
  throw Error(Errc::file_exists, "is not empty, and holds no changes to an image").with_path(path);
}

void rename_directory(const std::string& from, const std::string& to) {
  if (rename(from.c_str(), to.c_str()) != 0) throw system_error(errno, from);
}

}  // namespace

std::string ChangesDirectory::default_path(const std::string& image) { return image + ".upper"; }

std::optional<ChangesDirectory> ChangesDirectory::find(const std::string& path) {
  struct stat status;
  if (stat((path + "/" + kind_file).c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    throw system_error(errno, path);
  }
  ChangesDirectory changes(path, lock_directory(path));
  const std::string name = read_file(path + "/" + kind_file).value_or("");
  const std::optional<OverlayKind> kind = overlay_kind(name);
  if (!kind) {
    throw Error(Errc::unsupported, fmt::format("'{}' is no kind of overlay", name))
        .with_path(path + "/" + kind_file);
  }
  changes.kind_ = *kind;
  return changes;
}

ChangesDirectory ChangesDirectory::create(const std::string& path, const std::string& image,
                                          OverlayKind kind) {
  require_nothing_else(path);
  make_directory(path);
  ChangesDirectory changes(path, lock_directory(path));
  boost::system::error_code error;
  if (fs::exists(path + "/" + kind_file, error)) throw in_use(path);
  changes.kind_ = kind;
  try {
    changes.clear();
    changes.copy_base(image);
    changes.sync_names();  // it tells what the directory is
    changes.fill(image);
  } catch (...) {
    changes.remove();
    throw;
  }
  return changes;
}

void ChangesDirectory::make_room(const std::string& path) {
  boost::system::error_code error;
  if (!fs::exists(path, error)) return;
  if (fs::exists(path + "/" + kind_file, error)) {
    throw Error(Errc::file_exists, "holds changes already").with_path(path);
  }
  require_nothing_else(path);
  ChangesDirectory(path, lock_directory(path)).remove();
}

void ChangesDirectory::renew(const std::string& path, const std::string& image) {
  fs::remove(path_ + "/" + kind_file);  // from now on it is incomplete
  sync_names();
  set_aside();
  for (const char* note : {replace_file, result_file}) fs::remove(path_ + "/" + note);
  if (path != path_) rename_directory(path_, path);
  path_ = path;
  copy_base(image);
  fill(image);
}

void ChangesDirectory::set_aside() {
  const std::string aside = path_ + "/" + new_earlier_directory;
  make_directory(aside);
  for (const char* part : {upper_directory, work_directory, earlier_directory}) {
    const std::string from = path_ + "/" + part;
    if (access(from.c_str(), F_OK) == 0) rename_directory(from, aside + "/" + part);
  }
  rename_directory(aside, path_ + "/" + earlier_directory);
}

void ChangesDirectory::copy_base(const std::string& image) const {
  const std::optional<std::string> base = read_file(image);
  if (!base) throw system_error(errno, image);
  write(base_file, *base);
}

void ChangesDirectory::fill(const std::string& image) {
  for (const std::string& part : {lower(), upper(), work(), private_mount_point()}) {
    make_directory(part);
  }
  copy_root_metadata(Image(image), upper());
  write(root_file, root_metadata());
  sync_names();
  write(kind_file, to_string(kind_));
  sync_names();
}

std::string ChangesDirectory::lower() const { return path_ + "/" + lower_directory; }

std::string ChangesDirectory::upper() const { return path_ + "/" + upper_directory; }

std::string ChangesDirectory::work() const { return path_ + "/" + work_directory; }

std::string ChangesDirectory::private_mount_point() const { return path_ + "/" + tree_directory; }

void ChangesDirectory::require_base(const std::string& image) const {
  if (read_file(path_ + "/" + base_file) == read_file(image)) return;
  throw Error(Errc::invalid_argument,
              fmt::format("has changed since the changes in {} were begun; remove these "
                          "to work in it as it is now",
                          path_))
      .with_image(image);
}

void ChangesDirectory::note_result(ByteView filesystem_file) {
  write(result_file,
        {reinterpret_cast<const char*>(filesystem_file.data()), filesystem_file.size()});
  sync_names();
}

void ChangesDirectory::forget_result() { fs::remove(path_ + "/" + result_file); }

bool ChangesDirectory::are_in(const std::string& image) const {
  const std::optional<std::string> result = read_file(path_ + "/" + result_file);
  return result && result == read_file(image);
}

bool ChangesDirectory::has_changes() const {
  boost::system::error_code error;
  if (!fs::is_empty(upper(), error) || error) return true;
  return read_file(path_ + "/" + root_file) != root_metadata();
}

// What of the metadata of the upper directory is not the overlay's own, as text.
std::string ChangesDirectory::root_metadata() const {
  posix::LinuxMetadata metadata = posix::read_metadata(open_directory(upper()).get(), upper());
  take_marks(metadata, kind_, transfer::StatOverride::none);
  const struct stat& status = metadata.status;
  std::string text = fmt::format("{:o} {} {} {}.{:09}\n", status.st_mode, status.st_uid,
                                 status.st_gid, status.st_mtim.tv_sec, status.st_mtim.tv_nsec);
  for (const auto& [name, value] : metadata.xattrs) {
    text += fmt::format("{} {}\n{}\n", name, value.size(), value);
  }
  return text;
}

std::optional<std::string> ChangesDirectory::mount_point_in(const std::string& path) {
  return read_file(path + "/" + mount_point_file);
}

void ChangesDirectory::set_mount_point(const std::optional<std::string>& mount_point) {
  if (!mount_point) {
    fs::remove(path_ + "/" + mount_point_file);
    return;
  }
  PendingFile file(lock_.get(), path_);  // not synced: a mount is gone after a crash, too
  file.write_at(0, mount_point->data(), mount_point->size());
  file.replace(mount_point_file);
}

bool ChangesDirectory::replaces_image() const {
  return read_file(path_ + "/" + replace_file).has_value();
}

void ChangesDirectory::set_replaces_image() {
  write(replace_file, "");
  sync_names();
}

void ChangesDirectory::remove() {
  fs::remove(path_ + "/" + kind_file);  // from now on it is incomplete
  sync_names();
  clear();
  if (rmdir(path_.c_str()) != 0 && errno != EBUSY) throw system_error(errno, path_);
}

// The copy of the image goes last: it tells what the directory is.
void ChangesDirectory::clear() {
  boost::system::error_code error;
  let_owner_in(path_);
  for (fs::directory_iterator entry(path_, error), end; !error && entry != end;) {
    const fs::path path = entry->path();
    entry.increment(error);
    if (path.filename() != base_file && !error) fs::remove_all(path, error);
  }
  if (!error) fs::remove(path_ + "/" + base_file, error);
  if (error) throw system_error(error.value(), path_);
}

void ChangesDirectory::write(const char* name, std::string_view contents) const {
  PendingFile file(lock_.get(), path_);
  file.write_at(0, contents.data(), contents.size());
  file.sync();
  file.replace(name);
}

void ChangesDirectory::sync_names() const {
  if (fsync(lock_.get()) != 0) throw system_error(errno, path_);
}

}  // namespace cim::working
