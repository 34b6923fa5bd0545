// Entries -> an image.
#pragma once

#include <cim/writer.h>

#include "transfer/entry.h"
#include "transfer/import_options.h"
#include "transfer/progress.h"

namespace cim::transfer {

// Applies all entries of `source` to `writer`, in their order. Each replaces what is at its path: a
// file with everything below it, but a directory only the metadata of a directory. Whiteouts remove
// what the base image has, never what an earlier entry has made. A directory that an entry needs
// but the source does not have, the root included, gets EntrySource::missing_parent().
//
// In a case-insensitive image, two paths that are equal but spelled differently are an error;
// memory is then needed for the paths. Otherwise a later entry replaces an earlier one.
//
// Reports times that the image cannot hold exactly, see InexactTimes. Throws Error, naming the
// entry: path_not_found for a hard link or a named stream of a missing file; is_a_directory for a
// hard link to a directory; not_a_directory for an entry below something else (no symbolic link is
// followed); already_exists for names that are equal in the image; unsupported for a whiteout that
// is stored as a file, see ImportOptions; and the errors of EntrySource and Writer.
void store_entries(EntrySource& source, Writer& writer, const ImportOptions& options,
                   Progress& progress);

}  // namespace cim::transfer
