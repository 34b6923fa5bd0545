#include "working/changes_directory.h"

#include <cerrno>
#include <fstream>
#include <iterator>

#include <boost/filesystem.hpp>
#include <cim/error.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "posix/attributes.h"
#include "writer/pending_file.h"

namespace cim::working {
namespace {

namespace fs = boost::filesystem;

constexpr const char* base_file = "image";
constexpr const char* kind_file = "overlay";
constexpr const char* mount_point_file = "mount-point";
constexpr const char* replace_file = "replace";

std::optional<std::string> read_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return std::nullopt;
  std::string contents((std::istreambuf_iterator<char>(file)), {});
  if (file.bad()) throw Error(Errc::io_error, "cannot be read").with_path(path);
  return contents;
}

// The directory `path`, locked.
FileDescriptor lock_directory(const std::string& path) {
  FileDescriptor fd(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!fd) throw system_error(errno, path);
  if (flock(fd.get(), LOCK_EX | LOCK_NB) == 0) return fd;
  if (errno != EWOULDBLOCK) throw system_error(errno, path);
  throw Error(Errc::sharing_violation, "another process works on these changes").with_path(path);
}

void make_directory(const std::string& path) {
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST) throw system_error(errno, path);
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
  boost::system::error_code error;
  const bool has_files = fs::exists(path, error) && !fs::is_empty(path, error);
  // An incomplete one has only what is written below, and is nobody's loss.
  if (has_files && !fs::exists(path + "/" + base_file, error)) {
    throw Error(Errc::file_exists, "is not empty, and holds no changes to an image")
        .with_path(path);
  }
  make_directory(path);
  ChangesDirectory changes(path, lock_directory(path));
  changes.kind_ = kind;
  const std::optional<std::string> base = read_file(image);
  if (!base) throw system_error(errno, image);
  changes.write(base_file, *base);
  for (const std::string& part :
       {changes.lower(), changes.upper(), changes.work(), changes.private_mount_point()}) {
    make_directory(part);
  }
  changes.write(kind_file, to_string(kind));
  return changes;
}

void ChangesDirectory::require_base(const std::string& image) const {
  if (read_file(path_ + "/" + base_file) == read_file(image)) return;
  throw Error(Errc::invalid_argument,
              fmt::format("has changed since the changes in {} were begun; remove these "
                          "to work in it as it is now",
                          path_))
      .with_image(image);
}

bool ChangesDirectory::has_changes(const Image& base) const {
  boost::system::error_code error;
  if (!fs::is_empty(upper(), error) || error) return true;
  struct stat status;
  if (stat(upper().c_str(), &status) != 0) throw system_error(errno, upper());
  const struct stat before =
      posix::attributes(base, base.file(base.root()), {.uid = status.st_uid, .gid = status.st_gid});
  return status.st_mode != before.st_mode || status.st_uid != before.st_uid ||
         status.st_gid != before.st_gid;
}

std::optional<std::string> ChangesDirectory::mount_point_in(const std::string& path) {
  return read_file(path + "/" + mount_point_file);
}

void ChangesDirectory::set_mount_point(const std::optional<std::string>& mount_point) {
  if (mount_point) return write(mount_point_file, *mount_point);
  fs::remove(path_ + "/" + mount_point_file);
}

bool ChangesDirectory::replaces_image() const {
  return read_file(path_ + "/" + replace_file).has_value();
}

void ChangesDirectory::set_replaces_image() { write(replace_file, ""); }

void ChangesDirectory::remove() {
  boost::system::error_code error;
  fs::remove(path_ + "/" + kind_file, error);  // from now on it is incomplete
  let_owner_in(path_);
  if (!error) fs::remove_all(path_, error);
  if (error) throw system_error(error.value(), path_);
}

void ChangesDirectory::write(const char* name, std::string_view contents) const {
  PendingFile file(lock_.get(), path_);
  file.write_at(0, contents.data(), contents.size());
  file.sync();
  file.replace(name);
  if (fsync(lock_.get()) != 0) throw system_error(errno, path_);
}

}  // namespace cim::working
