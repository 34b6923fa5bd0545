// A tree on disk -> an image. May be called from many threads at once, with a Writer and a Progress
// each.
#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cim/writer.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "transfer/metadata_overrides.h"
#include "transfer/progress.h"

namespace cim::transfer {

// Identifies a file on disk.
using FileKey = std::pair<dev_t, ino_t>;
FileKey key_of(const struct stat& status);

struct ImportOptions {
  // Patterns of files to leave out, see is_excluded().
  std::vector<std::string> exclude;

  // Leaves out everything below directories on another file system than the source; the directories
  // that it is mounted on are kept.
  bool one_file_system = false;

  // Metadata that files get instead of their own.
  MetadataOverrides overrides;

  // Files to leave out whatever their names, see files_of_image().
  std::set<FileKey> skip;

  // For a case-insensitive image, its upcase table: if two names in a source directory are equal
  // under it, that is an error; otherwise the last one wins. Empty: no such check.
  std::span<const char16_t> upcase;
};

// Copies `source` and everything below it to `path` (see cim/name.h) in the image that `writer`
// builds. Replaces existing files as Writer does, so directories merge. The empty path is the
// image's root: `source` must then be a directory, or a symbolic link to one. Elsewhere a symbolic
// link is copied as a link. The parent directory of `path` must exist in the image.
//
// Leaves out the temporary files of writers (is_temporary_name()).
//
// Hard links and holes of the source are kept. Memory is needed for the names in the directories on
// the way down and for the paths of files with several links, not for data.
//
// Reports times that the image cannot hold exactly, see InexactTimes. Warns of each file that
// holds more or less data than its size; in the image it has that size, cut off or padded with
// zeros. Returns how many of these files there are.
//
// Throws Error, naming the file: the system's error for a file that cannot be read; io_error if a
// file changes while it is read; already_exists for names that are equal in the image; and the
// errors of Writer. The writer should then be destroyed without commit().
std::uint64_t import_tree(Writer& writer, const std::string& source, std::u16string_view path,
                          const ImportOptions& options, Progress& progress);

// The amount of work for import_tree() on `source`. Throws Error as import_tree() does.
Amount measure_tree(const std::string& source, const ImportOptions& options);

// The files of the image `path`, for ImportOptions::skip: an image kept inside the tree that it is
// made from does not contain itself. Empty if there is no readable image.
std::set<FileKey> files_of_image(const std::string& path);

}  // namespace cim::transfer
