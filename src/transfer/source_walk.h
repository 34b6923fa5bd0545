// Walks a directory tree on disk in an order that depends on nothing but the names.
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

// The DT_* of readdir(3) for the file type in `mode`.
inline unsigned char directory_entry_type(mode_t mode) {
  return static_cast<unsigned char>(IFTODT(mode));
}

// Whether one of `patterns` leaves out the file at `path`, relative to the source, by the rules of
// ImportOptions::exclude. That a directory above it is left out does not count here.
bool is_excluded(const std::vector<std::string>& patterns, const std::string& path);

// The patterns in the file `path`, one a line. Empty lines and those that start with `#` are none;
// `\#` starts a pattern with a `#`. Throws Error with the errno of what failed.
std::vector<std::string> read_patterns(const std::string& path);

// Visits everything below a directory: a directory before what it holds, the entries of each sorted
// by the bytes of their names.
//
//   SourceWalk walk(path, std::move(directory), patterns);
//   while (walk.next()) {
//     ...
//     if (walk.type() == DT_DIR) walk.enter(open_it());
//   }
//
// The temporary files of writers, which come and go, are passed over: on some file systems an image
// that lies in its own source is among them.
//
// Keeps one list of names per level, and no more descriptors than DirectoryChain. Every file is
// reached through its directory's descriptor, so a directory that is renamed or replaced meanwhile
// does not lead the walk astray. For one thread at a time.
class SourceWalk {
 public:
  // `directory` is open on the directory `path`, which names it in errors. What an `exclude`
  // pattern matches is passed over, see ImportOptions. With `one_file_system`, directories on
  // another file system than `directory` are taken for empty.
  SourceWalk(std::string path, FileDescriptor directory, const std::vector<std::string>& exclude,
             bool one_file_system = false);

  // Moves on to the next entry. Returns false when there is none left. Throws Error as
  // DirectoryChain::leave().
  bool next();

  // The descriptor of the directory that holds the entry; valid until the next call of next().
  int directory() const noexcept { return directories_.current(); }
  const char* name() const noexcept { return levels_.back().entry().name.c_str(); }
  unsigned char type() const noexcept { return levels_.back().entry().type; }  // DT_* of readdir(3)

  // The path of the entry relative to the directory that the walk started from.
  std::string_view relative_path() const noexcept;

  // The path of the entry for messages.
  const std::string& path() const noexcept { return path_; }

  // Goes down into the entry, which `directory` is open on: its entries come next. Throws Error if
  // it cannot be listed.
  void enter(FileDescriptor directory);

  // The names in the directory that was entered last, sorted.
  std::vector<std::string_view> names() const;

 private:
  struct Entry {
    std::string name;
    unsigned char type;
  };

  struct Level {
    std::vector<Entry> entries;
    std::size_t next;         // index of the entry to visit after the current one
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
