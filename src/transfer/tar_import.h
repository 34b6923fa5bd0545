// A tar archive -> an image.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <cim/writer.h>

#include "transfer/metadata_overrides.h"
#include "transfer/progress.h"

namespace cim::transfer {

struct TarImportOptions {
  // Patterns of what is left out without a word, see ImportOptions::exclude.
  std::vector<std::string> exclude;

  // What files get instead of the metadata in the archive.
  MetadataOverrides overrides;

  // The image that is built on has a root directory with metadata, so none is made up for it.
  bool has_root = false;

  // For a case-insensitive image, its upcase table: members that are equal under it but not in
  // their names are an error instead of the last one winning. Empty: no such check.
  std::span<const char16_t> upcase;
};

// Puts the members of the tar archive that `fd` is open on, compressed or not, into the image that
// `writer` builds; what is there already is replaced. `name` names the archive in messages. `fd`
// need not be seekable, and is read to its end. Memory does not grow with the archive, except for a
// case-insensitive image, where the names are kept.
//
// The rules are GNU tar's:
//   - leading `/` are taken off names and the targets of hard links, with one warning for all;
//   - a member or hard link with a `..` component is left out with a warning;
//   - a later member replaces an earlier one of the same name: a file with all below it, but a
//     directory only the metadata of a directory;
//   - owners are the numbers in the archive, whatever names go with them;
//   - global headers count, and an archive need not have the mark of its end, see TarReader.
// A directory that a member needs and the archive does not have, the root included, belongs to
// root, has mode 0755 and the time of that member.
//
// Times that the image cannot hold as they are give warnings, see InexactTimes.
//
// Returns how many members were left out. Throws Error, naming archive and member: corrupt for an
// archive that is damaged or cut short; path_not_found for a hard link to a file that is not there;
// not_a_directory for a member below one that is no directory (as a symbolic link, none of which is
// followed); already_exists for names that the image would take for one; and what Writer throws.
// The writer should then be destroyed without commit(). Not thread-safe: the C library looks up the
// users in access control lists in static memory.
std::uint64_t import_tar(Writer& writer, int fd, const std::string& name,
                         const TarImportOptions& options, Progress& progress);

}  // namespace cim::transfer
