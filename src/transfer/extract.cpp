// An image -> a tree on disk.
#include "transfer/extract.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/file_descriptor.h"
#include "posix/attributes.h"
#include "transfer/directory_chain.h"
#include "transfer/metadata_restorer.h"
#include "transfer/stream_copier.h"

namespace cim::transfer {
namespace {

constexpr int directory_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

// Calls create(), which reports as a system call does. If a file is in its place, removes that and
// calls it once more. Throws Error, naming `path`, if it fails for another reason than EPERM;
// returns whether it succeeded.
template <typename Create>
bool create_replacing(int directory, const char* name, const std::string& path, Create create) {
  if (create()) return true;
  if (errno == EEXIST) {
    if (unlinkat(directory, name, 0) != 0) throw system_error(errno, path);
    if (create()) return true;
  }
  if (errno == EPERM) return false;
  throw system_error(errno, path);
}

bool is_empty_directory(int fd, const std::string& path) {
  const int own = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(own < 0 ? nullptr : fdopendir(own), closedir);
  if (!listing) throw system_error(errno, path);
  while (const dirent* entry = readdir(listing.get())) {
    if (std::strcmp(entry->d_name, ".") != 0 && std::strcmp(entry->d_name, "..") != 0) return false;
  }
  return true;
}

// Walks an image and carries it over.
class Extraction {
 public:
  Extraction(const Image& image, std::string destination, Progress& progress)
      : destination_(std::move(destination)),
        progress_(progress),
        data_(image, progress),
        metadata_(image, progress) {}

  void run(ImageWalk& walk) {
    using Step = ImageWalk::Step;
    for (Step step = walk.next(); step != Step::end; step = walk.next()) {
      if (step == Step::leave_directory) {
        leave_directory();
        continue;
      }
      try {
        step == Step::enter_directory ? enter_directory(walk) : extract_file(walk);
      } catch (const Error& error) {
        throw with_path(error, walk.image(), walk.path());
      }
      progress_.advance({.files = 1});
    }
  }

 private:
  struct Level {
    File file;
    std::string path;
    bool own_metadata;  // whether the directory gets the metadata that it has in the image
  };

  // An opened directory, and whether it was made for that.
  struct OpenedDirectory {
    FileDescriptor fd;
    bool created;
  };

  std::string path_on_disk(const ImageWalk& walk) const {
    return walk.path().empty() ? destination_ : destination_ + "/" + walk.path();
  }

  void enter_directory(const ImageWalk& walk) {
    std::string path = path_on_disk(walk);
    const bool is_root = levels_.empty();
    OpenedDirectory opened =
        is_root ? open_destination() : open_directory(directories_.current(), walk.name(), path);
    const bool own_metadata = opened.created || (walk.selected() && !is_root);
    directories_.enter(std::move(opened.fd));
    levels_.push_back({walk.file(), std::move(path), own_metadata});
  }

  // Metadata comes last: adding entries changes the times, and may need a permission that the
  // directory does not have in the image.
  void leave_directory() {
    const Level level = std::move(levels_.back());
    levels_.pop_back();
    const FileDescriptor fd =
        directories_.leave(levels_.empty() ? destination_ : levels_.back().path);
    if (level.own_metadata) {
      metadata_.apply(fd.get(), level.file, metadata_.attributes(level.file), level.path);
    }
  }

  // An empty destination counts as created.
  OpenedDirectory open_destination() {
    if (mkdir(destination_.c_str(), S_IRWXU) != 0 && errno != EEXIST) {
      throw system_error(errno, destination_);
    }
    FileDescriptor fd(open(destination_.c_str(), directory_flags & ~O_NOFOLLOW));
    if (!fd) throw system_error(errno, destination_);
    root_ = FileDescriptor(openat(fd.get(), ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root_) throw system_error(errno, destination_);
    const bool empty = is_empty_directory(fd.get(), destination_);
    return {std::move(fd), empty};
  }

  static OpenedDirectory open_directory(int parent, const std::string& name,
                                        const std::string& path) {
    bool created = mkdirat(parent, name.c_str(), S_IRWXU) == 0;
    if (!created && errno != EEXIST) throw system_error(errno, path);
    FileDescriptor fd(openat(parent, name.c_str(), directory_flags));
    if (!fd && !created && (errno == ENOTDIR || errno == ELOOP)) {
      created = create_replacing(parent, name.c_str(), path,
                                 [&] { return mkdirat(parent, name.c_str(), S_IRWXU) == 0; });
      fd = FileDescriptor(openat(parent, name.c_str(), directory_flags));
    }
    if (!fd) throw system_error(errno, path);
    return {std::move(fd), created};
  }

  void extract_file(const ImageWalk& walk) {
    const File& file = walk.file();
    const struct stat status = metadata_.attributes(file);
    const std::string path = path_on_disk(walk);
    if (status.st_nlink > 1) {
      const auto [first, is_new] = linked_files_.try_emplace(file.id, walk.path());
      if (!is_new && link(first->second, walk.name(), path)) {
        progress_.advance({.bytes = file.stream.length});
        return;
      }
    }
    if (S_ISREG(status.st_mode)) {
      extract_regular(walk, status, path);
    } else {
      extract_special(walk, status, path);
    }
  }

  void extract_regular(const ImageWalk& walk, const struct stat& status, const std::string& path) {
    const int directory = directories_.current();
    const char* name = walk.name().c_str();
    FileDescriptor fd;
    const bool created = create_replacing(directory, name, path, [&] {
      fd = FileDescriptor(openat(directory, name,
                                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                                 S_IRUSR | S_IWUSR));
      return static_cast<bool>(fd);
    });
    if (!created) throw system_error(EPERM, path);
    try {
      data_.copy(walk.file().stream, fd.get(), path);
      metadata_.apply(fd.get(), walk.file(), status, path);
    } catch (...) {
      unlinkat(directory, name, 0);  // better no file than half of one
      throw;
    }
  }

  // A symbolic link, fifo, socket or device.
  void extract_special(const ImageWalk& walk, const struct stat& status, const std::string& path) {
    const int directory = directories_.current();
    const char* name = walk.name().c_str();
    if (!create_replacing(directory, name, path, [&] { return make_special(walk, status); })) {
      progress_.warn(system_error(EPERM, path).what());
      return;
    }
    const FileDescriptor fd(openat(directory, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) throw system_error(errno, path);
    check_is_new(fd.get(), status.st_mode, path);
    metadata_.apply(fd.get(), walk.file(), status, path);
  }

  // There is no way to make and open such a file at once. What somebody has put into its place
  // between the two, a link to another file, must not get its owner and mode.
  static void check_is_new(int fd, mode_t mode, const std::string& path) {
    struct stat found;
    if (fstat(fd, &found) != 0) throw system_error(errno, path);
    if ((found.st_mode & S_IFMT) == (mode & S_IFMT) && found.st_nlink == 1) return;
    throw Error(Errc::access_denied, path + ": another file has been put into its place");
  }

  bool make_special(const ImageWalk& walk, const struct stat& status) const {
    const int directory = directories_.current();
    const char* name = walk.name().c_str();
    if (!S_ISLNK(status.st_mode)) {
      const mode_t type = status.st_mode & S_IFMT;
      return mknodat(directory, name, type | S_IRUSR | S_IWUSR, status.st_rdev) == 0;
    }
    const std::string target = posix::symlink_target(walk.image(), walk.file());
    return symlinkat(target.c_str(), directory, name) == 0;
  }

  // Makes `name` in the current directory another name of the extracted file `existing`. If that
  // cannot be, warns and returns false.
  bool link(const std::string& existing, const std::string& name, const std::string& path) {
    const int directory = directories_.current();
    const std::size_t slash = existing.rfind('/');
    const FileDescriptor from =
        slash == std::string::npos ? open_beneath("") : open_beneath(existing.substr(0, slash));
    const char* existing_name = existing.c_str() + (slash == std::string::npos ? 0 : slash + 1);
    const auto make_link = [&] {
      return linkat(from.get(), existing_name, directory, name.c_str(), 0) == 0;
    };
    bool linked = make_link();
    if (!linked && errno == EEXIST) {
      if (unlinkat(directory, name.c_str(), 0) != 0) throw system_error(errno, path);
      linked = make_link();
    }
    if (!linked) progress_.warn(system_error(errno, path + ": hard link to " + existing).what());
    return linked;
  }

  // Opens the extracted directory `path`, component by component so that no link is followed.
  FileDescriptor open_beneath(std::string_view path) const {
    FileDescriptor fd(openat(root_.get(), ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    while (fd && !path.empty()) {
      const std::size_t end = std::min(path.find('/'), path.size());
      const std::string component(path.substr(0, end));
      fd = FileDescriptor(
          openat(fd.get(), component.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      path.remove_prefix(std::min(end + 1, path.size()));
    }
    if (!fd) throw system_error(errno, destination_ + "/" + std::string(path));
    return fd;
  }

  const std::string destination_;
  Progress& progress_;
  StreamCopier data_;
  MetadataRestorer metadata_;
  FileDescriptor root_;  // open on destination_
  std::vector<Level> levels_;
  DirectoryChain directories_;                            // of the levels
  std::unordered_map<FileId, std::string> linked_files_;  // with several names: the first path
};

}  // namespace

void extract(const Image& image, const std::string& destination, const Selection& selection,
             Progress& progress) {
  ImageWalk walk(image, selection);
  Extraction(image, destination, progress).run(walk);
}

Amount measure_image(const Image& image, const Selection& selection) {
  using Step = ImageWalk::Step;
  Amount amount;
  ImageWalk walk(image, selection);
  for (Step step = walk.next(); step != Step::end; step = walk.next()) {
    if (step == Step::leave_directory) continue;
    ++amount.files;
    if (step == Step::file && walk.file().reparse_tag == 0) {
      amount.bytes += walk.file().stream.length;
    }
  }
  return amount;
}

}  // namespace cim::transfer
