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
#include <sys/types.h>

#include "transfer/metadata_overrides.h"
#include "transfer/progress.h"

namespace cim::transfer {

// Identifies a file on disk.
using FileKey = std::pair<dev_t, ino_t>;

struct ImportOptions {
  // Shell patterns (fnmatch(3), `*` and `?` match a `/` too) of what is left out: a pattern that
  // matches the path relative to the source, or what follows any `/` in it, leaves out that file or
  // directory with all below it. So `*.o` and `.git` match anywhere, `src/*.o` below any `src`.
  std::vector<std::string> exclude;

  // Leaves out what is below directories on another file system than the source; the directories,
  // on which that is mounted, are kept.
  bool one_file_system = false;

  // What files get instead of their own metadata.
  MetadataOverrides overrides;

  // Files that are left out whatever their name, see files_of_image().
  std::set<FileKey> skip;

  // For a case-insensitive image, its upcase table: names in a source directory that are equal
  // under it are an error instead of the last one winning. Empty: no such check.
  std::span<const char16_t> upcase;
};

// Copies `source` and everything below it to `path` (see cim/name.h) of the image that `writer`
// builds; what is there already is replaced as Writer does, so directories merge. The empty path
// is the image's root: `source` must then be a directory, or a symbolic link to one. Anywhere else
// a symbolic link is copied as one. The parent directory of `path` must exist in the image.
//
// Files of the names that writers give what is not to be seen yet (is_temporary_name()) are left
// out.
//
// Files with several hard links in the source have them in the image. Holes stay holes. Memory is
// needed for the names in the directories on the way down and for the paths of files with several
// links, not for data.
//
// Times that the image cannot hold as they are give warnings, see InexactTimes. So does a file that
// holds more or less than its size: in the image it has that size, cut off or with zeros at its
// end. Returns how many of these there are.
//
// Throws Error, naming the file: what the system says of one that cannot be read; io_error if one
// changes while it is read; already_exists for names that the image would take for one; and what
// Writer throws. The writer should then be destroyed without commit().
std::uint64_t import_tree(Writer& writer, const std::string& source, std::u16string_view path,
                          const ImportOptions& options, Progress& progress);

// What import_tree() has to do for `source`. Throws Error as that does.
Amount measure_tree(const std::string& source, const ImportOptions& options);

// The files of the image `path`, for ImportOptions::skip: an image that is kept inside of the tree
// that it is made of does not contain itself. None if there is no image that can be read.
std::set<FileKey> files_of_image(const std::string& path);

}  // namespace cim::transfer
