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
  // Patterns of files to leave out silently, see ImportOptions::exclude.
  std::vector<std::string> exclude;

  // Metadata that files get instead of that in the archive.
  MetadataOverrides overrides;

  // The base image has a root directory with metadata, so the import need not make one.
  bool has_root = false;

  // For a case-insensitive image, its upcase table: if two members are equal under it but spelled
  // differently, that is an error; otherwise the last one wins. Empty: no such check.
  std::span<const char16_t> upcase;
};

// Puts the members of the tar archive open at `fd`, compressed or not, into the image that `writer`
// builds, replacing existing files. `name` names the archive in messages. `fd` need not be
// seekable, and is read to its end. Memory does not grow with the archive, except for a
// case-insensitive image, where the names are kept.
//
// The rules are GNU tar's:
//   - leading `/` are removed from names and targets of hard links, with one warning for all;
//   - a member or hard link with a `..` component is left out with a warning;
//   - a later member replaces an earlier one of the same name: a file with everything below it, but
//     a directory replaces only the metadata of a directory;
//   - owners are the numbers in the archive, whatever names go with them;
//   - global headers count, and an archive need not have an end mark, see TarReader.
// A directory that a member needs but the archive does not have, the root included, belongs to root
// and has mode 0755 and the time of that member.
//
// Reports times that the image cannot hold exactly, see InexactTimes.
//
// Returns the number of members left out. Throws Error, naming archive and member: corrupt for an
// archive that is damaged or cut short; path_not_found for a hard link to a missing file;
// not_a_directory for a member below one that is not a directory (a symbolic link, for example:
// none is followed); already_exists for names that are equal in the image; and the errors of
// Writer. The writer should then be destroyed without commit(). Not thread-safe: the C library
// looks up the users in access control lists in static memory.
std::uint64_t import_tar(Writer& writer, int fd, const std::string& name,
                         const TarImportOptions& options, Progress& progress);

}  // namespace cim::transfer
