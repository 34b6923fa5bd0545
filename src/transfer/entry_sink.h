// Entries -> an image.
#pragma once

#include <cim/writer.h>

#include "transfer/entry.h"
#include "transfer/import_options.h"
#include "transfer/progress.h"

namespace cim::transfer {

// Applies all entries of `source` to `writer`, in their order. Each replaces what is at its path: a
// file with everything below it, but a directory only the metadata of a directory. A directory that
// an entry needs but the source does not have, the root included, belongs to root and has mode 0755
// and the time of that entry.
//
// Reports times that the image cannot hold exactly, see InexactTimes. Throws Error, naming the
// entry: path_not_found for a hard link to a missing file; not_a_directory for an entry below
// something else (no symbolic link is followed); already_exists for names that are equal in the
// image; and the errors of EntrySource and Writer.
void store_entries(EntrySource& source, Writer& writer, const ImportOptions& options,
                   Progress& progress);

}  // namespace cim::transfer
