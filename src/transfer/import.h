// Files -> an image. The functions may be called from many threads at once, with a Writer and a
// Progress each.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <cim/writer.h>

#include "transfer/import_options.h"
#include "transfer/progress.h"

namespace cim::transfer {

// Copies `source` and everything below it to `path` (see cim/name.h) in the image that `writer`
// builds. Replaces existing files as store_entries() does, so directories merge. The parent
// directory of `path` must exist in the image. See DirectorySource.
//
// Hard links and holes of the source are kept. Memory is needed for the names in the directories on
// the way down and for the paths of files with several links, not for data.
//
// Returns the number of files that have other contents in the image than they claim. Throws Error
// as DirectorySource and store_entries() do. The writer should then be destroyed without commit().
std::uint64_t import_tree(Writer& writer, const std::string& source, std::u16string_view path,
                          const ImportOptions& options, Progress& progress);

// Puts the members of the tar archive open at `fd`, compressed or not, into the image that `writer`
// builds, replacing existing files as store_entries() does. `name` names the archive in messages.
// `fd` need not be seekable, and is read to its end. Memory does not grow with the archive. See
// ArchiveSource.
//
// Returns the number of members left out. Throws Error as ArchiveSource and store_entries() do. The
// writer should then be destroyed without commit(). Not thread-safe: the C library looks up the
// users in access control lists in static memory.
std::uint64_t import_archive(Writer& writer, int fd, const std::string& name,
                             const ImportOptions& options, Progress& progress);

// Puts the files of the MSIX package open at `fd`, a regular file, into the directory of its full
// name in `root`, a path of the image that `writer` builds, which must be case-insensitive and
// should expand executables. `name` names the package in messages. See MsixSource.
//
// Throws Error as MsixSource and store_entries() do. The writer should then be destroyed without
// commit().
void import_msix(Writer& writer, int fd, const std::string& name, const std::u16string& root,
                 Progress& progress);

}  // namespace cim::transfer
