// An image -> a tree on disk.
#include "transfer/extract.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/upcase.h"
#include "image/file_descriptor.h"
#include "image/internals.h"
#include "posix/attributes.h"
#include "transfer/directory_chain.h"
#include "transfer/metadata_restorer.h"
#include "transfer/stream_copier.h"
#include "transfer/unstorable.h"
#include "writer/pending_file.h"

namespace cim::transfer {
namespace {

constexpr int directory_flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

// What a file is called while it is written, where it cannot be without a name. It is the same for
// all: a program that is killed leaves one at most, and the next one replaces it.
constexpr const char* temporary_name = ".cimfs-0000000000000000.tmp";

// Each entry leads to the file of a descriptor, whether it has a name or not.
constexpr const char* descriptors = "/proc/self/fd/";

using Names = std::unordered_set<std::string>;

Names list_names(int directory, const std::string& path) {
  const int own = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, int (*)(DIR*)> listing(own < 0 ? nullptr : fdopendir(own), closedir);
  if (!listing) throw_unstorable(errno, path);
  Names names;
  while (const dirent* entry = readdir(listing.get())) {
    if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
    names.emplace(entry->d_name);
  }
  return names;
}

// Opens a directory that was made just now, in which its owner may do all.
FileDescriptor open_new_directory(int parent, const char* name) {
  FileDescriptor fd(openat(parent, name, directory_flags));
  if (!fd && errno == EACCES) {
    const FileDescriptor closed(openat(parent, name, directory_flags | O_PATH));
    if (!closed) return {};
    let_owner_in(closed.get(), S_IRWXU);
    fd = FileDescriptor(openat(parent, name, directory_flags));
  }
  if (fd) let_owner_in(fd.get(), S_IRWXU);
  return fd;
}

// The entry of `names`, those in `directory`, that its file system takes for `name` because it
// ignores case, or how letters are composed; `name` if there is none.
std::string twin_of(const std::string& name, const Names& names, int directory) {
  if (names.contains(name)) return name;
  auto twin = std::ranges::find_if(names, [&](const std::string& other) {
    return format::compare_names(linux_to_image_name(name), linux_to_image_name(other),
                                 format::windows_upcase_table()) == 0;
  });
  struct stat wanted;
  if (twin == names.end() && fstatat(directory, name.c_str(), &wanted, AT_SYMLINK_NOFOLLOW) == 0) {
    twin = std::ranges::find_if(names, [&](const std::string& other) {
      struct stat status;
      return fstatat(directory, other.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0 &&
             status.st_ino == wanted.st_ino;
    });
  }
  return twin == names.end() ? name : *twin;
}

// Walks an image and writes it to disk.
class Extraction {
 public:
  Extraction(const Image& image, std::string destination, bool streams_as_files, Progress& progress)
      : destination_(std::move(destination)),
        streams_as_files_(streams_as_files),
        progress_(progress),
        data_(image, progress),
        metadata_(image, progress) {}

  // An extraction that fails or is interrupted leaves no directory with fewer rights than it had in
  // the image.
  void run(ImageWalk& walk) {
    try {
      extract_all(walk);
    } catch (...) {
      leave_all_directories();
      throw;
    }
  }

 private:
  void extract_all(ImageWalk& walk) {
    using Step = ImageWalk::Step;
    for (Step step = walk.next(); step != Step::end; step = walk.next()) {
      if (step == Step::leave_directory) {
        leave_directory();
        continue;
      }
      try {
        step == Step::enter_directory ? enter_directory(walk) : extract_file(walk);
      } catch (const Unstorable& error) {
        leave_out(error, step == Step::enter_directory ? &walk : nullptr);
      } catch (const Error& error) {
        throw error.with_path(walk.path());
      }
      progress_.advance({.files = 1});
    }
  }

  void leave_all_directories() noexcept {
    while (!levels_.empty()) {
      try {
        leave_directory();
      } catch (...) {  // what went wrong first is what counts
      }
    }
  }

  struct Level {
    File file;
    std::string name;
    std::string path;
    bool own_metadata;   // the directory gets its metadata from the image; not for the root
    Names names_before;  // present before and not yet replaced or merged
    std::unordered_map<std::string, std::string> streams;  // files made of streams -> their owners
  };

  // An opened directory, whether it was created just now, and its entries.
  struct OpenedDirectory {
    FileDescriptor fd;
    bool created;
    Names names;
  };

  // `directory`: the walk, if it is about to enter the directory that is left out.
  void leave_out(const Error& error, ImageWalk* directory) {
    progress_.warn(std::string(error.what()) + "; left out" +
                   (directory == nullptr ? "" : ", with all that is below it"));
    if (directory != nullptr) directory->skip_directory();
  }

  std::string path_on_disk(const ImageWalk& walk) const {
    return walk.path().empty() ? destination_ : destination_ + "/" + walk.path();
  }

  void enter_directory(const ImageWalk& walk) {
    std::string path = path_on_disk(walk);
    const bool is_root = levels_.empty();
    OpenedDirectory opened = is_root ? open_destination() : open_directory(walk.name(), path);
    const bool own_metadata = opened.created || walk.selected();
    if (opened.created) metadata_.let_readers_in(opened.fd.get(), walk.file());
    directories_.enter(std::move(opened.fd));
    levels_.push_back(
        {walk.file(), walk.name(), std::move(path), own_metadata, std::move(opened.names)});
  }

  // Metadata comes last: adding entries changes the times, and may need a permission that the image
  // does not give the directory.
  void leave_directory() {
    const Level level = std::move(levels_.back());
    levels_.pop_back();
    const bool is_root = levels_.empty();
    const FileDescriptor fd = directories_.leave(is_root ? destination_ : levels_.back().path);
    // A destination that had other files is somebody else's.
    if (is_root ? !level.names_before.empty() : !level.own_metadata) return;
    const struct stat status = metadata_.attributes(level.file);
    const auto refused = metadata_.apply(fd.get(), level.file, status, level.path);
    if (is_root) {
      leave_out_streams(refused,
                        level.path);  // nothing is written beside `destination`
    } else {
      store_streams(refused, level.name, status, level.path);
    }
  }

  OpenedDirectory open_destination() {
    const bool created = mkdir(destination_.c_str(), S_IRWXU) == 0;
    if (!created && errno != EEXIST) throw system_error(errno, destination_);
    FileDescriptor fd =
        created ? open_new_directory(AT_FDCWD, destination_.c_str())
                : FileDescriptor(open(destination_.c_str(), directory_flags & ~O_NOFOLLOW));
    if (!fd) throw system_error(errno, destination_);
    root_ = FileDescriptor(openat(fd.get(), ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!root_) throw system_error(errno, destination_);
    Names names = list_names(fd.get(), destination_);
    return {std::move(fd), created, std::move(names)};
  }

  OpenedDirectory open_directory(const std::string& name, const std::string& path) {
    const int parent = directories_.current();
    const auto make = [&] { return mkdirat(parent, name.c_str(), S_IRWXU) == 0; };
    bool created = make();
    if (!created && errno != EEXIST) throw_unstorable(errno, path);
    if (!created) take_place(name, path);
    FileDescriptor fd = created ? open_new_directory(parent, name.c_str())
                                : FileDescriptor(openat(parent, name.c_str(), directory_flags));
    if (!fd && !created && (errno == ENOTDIR || errno == ELOOP)) {
      replace(name, path, make);
      created = true;
      fd = open_new_directory(parent, name.c_str());
    }
    if (!fd) throw_unstorable(errno, path);
    Names names = created ? Names() : list_names(fd.get(), path);
    return {std::move(fd), created, std::move(names)};
  }

  void extract_file(const ImageWalk& walk) {
    const File& file = walk.file();
    const struct stat status = metadata_.attributes(file);
    const std::string path = path_on_disk(walk);
    const bool has_links = status.st_nlink > 1;
    const auto first = has_links ? linked_files_.find(file.id) : linked_files_.end();
    if (first != linked_files_.end() && link(first->second, walk.name(), path)) {
      progress_.advance({.bytes = file.stream.length});
      return;
    }
    if (S_ISREG(status.st_mode)) {
      extract_regular(walk, status, path);
    } else {
      extract_special(walk, status, path);
    }
    if (has_links) linked_files_.try_emplace(file.id, walk.path());
  }

  // Call this before replacing or merging the existing `name` in the current directory. Throws
  // Unstorable unless `name` was there before under exactly that name: where case is ignored, for
  // one, it may lead to another file of the image.
  void take_place(const std::string& name, const std::string& path) {
    if (levels_.back().names_before.erase(name) != 0) return;
    const std::string reason = reason_for_taken(name, path);
    throw Unstorable(Error(Errc::already_exists, reason).with_path(path));
  }

  // Why `name` is already taken in the current directory.
  std::string reason_for_taken(const std::string& name, const std::string& path) const {
    const int directory = directories_.current();
    const std::string twin = twin_of(name, list_names(directory, path), directory);
    const auto stream = levels_.back().streams.find(twin);
    if (stream != levels_.back().streams.end()) {
      return "an alternate stream of " + stream->second + " has the name " + twin + " here";
    }
    if (twin == name) return "another file has the name " + name + " here";
    return "'" + twin + "' and '" + name + "' are one name here";
  }

  // Calls create(), which makes the file `name` in the current directory and reports errors like a
  // system call. If the file exists, removes it and calls create() once more. Throws as
  // take_place(), and as throw_unstorable() if it fails.
  template <typename Create>
  void create_replacing(const std::string& name, const std::string& path, Create create) {
    if (create()) return;
    if (errno != EEXIST) throw_unstorable(errno, path);
    take_place(name, path);
    replace(name, path, create);
  }

  template <typename Create>
  void replace(const std::string& name, const std::string& path, Create create) {
    if (unlinkat(directories_.current(), name.c_str(), 0) != 0 || !create()) {
      throw_unstorable(errno, path);
    }
  }

  // Makes the regular file `name` in the current directory, and calls fill() to give it its
  // contents. It gets its name last: a program that is killed leaves no half of one.
  template <typename Fill>
  void make_regular(const std::string& name, const std::string& path, Fill fill) {
    const FileDescriptor fd = open_unnamed();
    if (!fd) return make_renamed(name, path, fill);
    fill(fd.get());
    const std::string unnamed = descriptors + std::to_string(fd.get());
    create_replacing(name, path, [&] {
      return linkat(AT_FDCWD, unnamed.c_str(), directories_.current(), name.c_str(),
                    AT_SYMLINK_FOLLOW) == 0;
    });
  }

  // Without a descriptor if that is not possible, or could not get a name.
  FileDescriptor open_unnamed() const {
    if (!has_descriptors_) return {};
    return FileDescriptor(
        openat(directories_.current(), ".", O_WRONLY | O_TMPFILE | O_CLOEXEC, S_IRUSR | S_IWUSR));
  }

  template <typename Fill>
  void make_renamed(const std::string& name, const std::string& path, Fill fill) {
    const int directory = directories_.current();
    FileDescriptor fd;
    create_replacing(temporary_name, path, [&] {
      fd = FileDescriptor(openat(directory, temporary_name,
                                 O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                                 S_IRUSR | S_IWUSR));
      return static_cast<bool>(fd);
    });
    try {
      fill(fd.get());
      create_replacing(name, path, [&] {
        return rename_without_replacing(directory, temporary_name, name.c_str()) == 0;
      });
    } catch (...) {
      unlinkat(directory, temporary_name, 0);
      throw;
    }
  }

  void extract_regular(const ImageWalk& walk, const struct stat& status, const std::string& path) {
    std::vector<RefusedStream> refused;
    make_regular(walk.name(), path, [&](int fd) {
      data_.copy(walk.file().stream, fd, path);
      refused = metadata_.apply(fd, walk.file(), status, path);
    });
    store_streams(refused, walk.name(), status, path);
  }

  // A symbolic link, fifo, socket or device.
  void extract_special(const ImageWalk& walk, const struct stat& status, const std::string& path) {
    create_replacing(walk.name(), path, [&] { return make_special(walk, status); });
    const FileDescriptor fd(
        openat(directories_.current(), walk.name().c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) throw_unstorable(errno, path);
    check_is_new(fd.get(), status.st_mode, path);
    const auto refused = metadata_.apply(fd.get(), walk.file(), status, path);
    store_streams(refused, walk.name(), status, path);
  }

  // Handles the streams of the file `name` in the current directory that could not become extended
  // attributes; `path` names the file in messages.
  void store_streams(const std::vector<RefusedStream>& streams, const std::string& name,
                     const struct stat& status, const std::string& path) {
    if (!streams_as_files_) return leave_out_streams(streams, path);
    for (const RefusedStream& stream : streams) {
      try {
        extract_stream(stream, name, status, path + ": alternate stream " + stream.name);
      } catch (const Unstorable& error) {
        leave_out(error, nullptr);
      }
    }
  }

  void leave_out_streams(const std::vector<RefusedStream>& streams, const std::string& path) {
    for (const RefusedStream& stream : streams) {
      progress_.warn(path + ": " + stream.reason + "; left out");
    }
  }

  // A stream has the owner, permissions and times of its file, as on a mount.
  void extract_stream(const RefusedStream& stream, const std::string& file_name,
                      const struct stat& file_status, const std::string& path) {
    constexpr mode_t read_and_write = 0666;
    struct stat status = file_status;
    status.st_mode = S_IFREG | (status.st_mode & read_and_write);
    const std::string name = file_name + ":" + stream.name;
    make_regular(name, path, [&](int fd) {
      data_.copy(stream.stream, fd, path);
      metadata_.apply(fd, status, path);
    });
    levels_.back().streams.emplace(name, file_name);
  }

  // Such a file cannot be made and opened in one step. If somebody replaced it in between, by a
  // link to another file, that file must not get its owner and mode.
  static void check_is_new(int fd, mode_t mode, const std::string& path) {
    struct stat found;
    if (fstat(fd, &found) != 0) throw system_error(errno, path);
    if ((found.st_mode & S_IFMT) == (mode & S_IFMT) && found.st_nlink == 1) return;
    throw Error(Errc::access_denied, "another file has been put into its place").with_path(path);
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

  // Makes `name` in the current directory another name of the extracted file `existing`. If that is
  // not possible, warns and returns false.
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
      take_place(name, path);
      if (unlinkat(directory, name.c_str(), 0) != 0) throw_unstorable(errno, path);
      linked = make_link();
    }
    if (linked) return true;
    if (errno == ENAMETOOLONG) throw_unstorable(errno, path);  // a copy cannot have the name either
    const Error error = system_error(errno, path).with_object("hard link to " + existing);
    progress_.warn(std::string(error.what()) + "; copied instead");
    return false;
  }

  // Opens the extracted directory `path`, one component at a time so that no link is followed.
  FileDescriptor open_beneath(std::string_view path) const {
    FileDescriptor fd(openat(root_.get(), ".", O_PATH | O_DIRECTORY | O_CLOEXEC));
    while (fd && !path.empty()) {
      const std::size_t end = std::min(path.find('/'), path.size());
      const std::string component(path.substr(0, end));
      fd = FileDescriptor(
          openat(fd.get(), component.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      path.remove_prefix(std::min(end + 1, path.size()));
    }
    if (!fd) throw_unstorable(errno, destination_ + "/" + std::string(path));
    return fd;
  }

  const std::string destination_;
  const bool streams_as_files_;
  Progress& progress_;
  StreamCopier data_;
  MetadataRestorer metadata_;
  FileDescriptor root_;  // open on destination_
  const bool has_descriptors_ = access(descriptors, X_OK) == 0;
  std::vector<Level> levels_;
  DirectoryChain directories_;                            // of the levels
  std::unordered_map<FileId, std::string> linked_files_;  // files with several names -> first path
};

}  // namespace

void extract(const Image& image, const std::string& destination, const ExtractOptions& options,
             Progress& progress) {
  ImageWalk walk(image, options.selection);
  Extraction(image, destination, options.streams_as_files, progress).run(walk);
}

namespace {

void count_mark(const Image& image, const File& file, ImageAmount& amount) {
  try {
    const format::MarkedFile marked = marked_file(image, file);
    if (format::is_tombstone(marked)) ++amount.tombstones;
    if (format::merge_link_target(marked)) ++amount.merge_links;
  } catch (const Error&) {  // reading the file reports this
  }
}

}  // namespace

ImageAmount measure_image(const Image& image, const Selection& selection) {
  using Step = ImageWalk::Step;
  ImageAmount amount;
  ImageWalk walk(image, selection);
  for (Step step = walk.next(); step != Step::end; step = walk.next()) {
    if (step == Step::leave_directory) continue;
    ++amount.files;
    if (step != Step::file) continue;
    count_mark(image, walk.file(), amount);
    if (walk.file().reparse_tag != 0) continue;
    amount.bytes += walk.file().stream.length;
    if (walk.file().stream.type == StreamType::pe_image) ++amount.executables;
  }
  return amount;
}

}  // namespace cim::transfer
