// Walks a directory tree on disk in an order that depends only on the names.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <dirent.h>
#include <sys/types.h>

#include "image/file_descriptor.h"
#include "transfer/directory_chain.h"

namespace cim::transfer {

// The readdir(3) type (DT_*) of the file type in `mode`.
inline unsigned char directory_entry_type(mode_t mode) {
  return static_cast<unsigned char>(IFTODT(mode));
}

// How open(2) gets at a file of the readdir(3) type `type` itself. Only regular files and
// directories are really opened: opening a device or a fifo can have effects.
int open_flags(unsigned char type);

// Visits everything below a directory: each directory before its contents, entries sorted by the
// bytes of their names.
//
//   SourceWalk walk(path, std::move(directory), patterns);
//   while (walk.next()) {
//     ...
//     FileDescriptor file = walk.open();
//     ...
//     if (walk.type() == DT_DIR) walk.enter(std::move(file));
//   }
//
// Skips the temporary files of writers, which come and go: on some file systems an image that lies
// in its own source is among them.
//
// Keeps one list of names per level, and no more descriptors than DirectoryChain. Every file is
// reached through its directory's descriptor, so the walk does not go astray when a directory is
// renamed or replaced meanwhile. For one thread at a time.
class SourceWalk {
 public:
  // `directory` is open on the directory `path`, which names it in errors. Skips everything that an
  // `exclude` pattern matches, see ImportOptions. With `one_file_system`, directories on another
  // file system than `directory` count as empty.
  SourceWalk(std::string path, FileDescriptor directory, const std::vector<std::string>& exclude,
             bool one_file_system = false);

  // Moves on to the next entry. Returns false when there is none left. Throws Error as
  // DirectoryChain::leave() does.
  bool next();

  // The descriptor of the directory that holds the entry; valid until the next call of next().
  int directory() const noexcept { return directories_.current(); }
  const char* name() const noexcept { return levels_.back().entry().name.c_str(); }
  unsigned char type() const noexcept { return levels_.back().entry().type; }  // DT_* of readdir(3)

  // Opens the entry, see open_flags(). Throws Error with the errno of the failed call.
  FileDescriptor open() const;

  // The path of the entry relative to the directory that the walk started from.
  std::string_view relative_path() const noexcept;

  // The path of the entry for messages.
  const std::string& path() const noexcept { return path_; }

  // Goes down into the entry, on which `directory` is open: its entries come next. Throws Error if
  // it cannot be listed.
  void enter(FileDescriptor directory);

 private:
  struct Entry {
    std::string name;
    unsigned char type;
  };

  struct Level {
    std::vector<Entry> entries;
    std::size_t next;         // index of the entry after the current one
    std::size_t path_length;  // of the directory's own path

    const Entry& entry() const noexcept { return entries[next - 1]; }
  };

  bool is_elsewhere(int directory) const;
  std::vector<Entry> list(int directory) const;

  const std::vector<std::string>& exclude_;
  std::optional<dev_t> file_system_;  // the only one whose directories are listed
  std::vector<Level> levels_;
  DirectoryChain directories_;  // of the levels
  std::string path_;            // of the current entry
  std::size_t root_length_;     // of the path that the walk started from
};

}  // namespace cim::transfer
