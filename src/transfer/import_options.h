// How files go into an image.
#pragma once

#include <set>
#include <span>
#include <string>
#include <vector>

#include "transfer/image_files.h"
#include "transfer/metadata_overrides.h"

namespace cim::transfer {

struct ImportOptions {
  // Patterns of files to leave out silently, see is_excluded().
  std::vector<std::string> exclude;

  // Of a tree on disk: leaves out everything below directories on another file system than the
  // source; the directories that it is mounted on are kept.
  bool one_file_system = false;

  // Of a tree on disk: files to leave out whatever their names, see files_of_image().
  std::set<FileKey> skip;

  // Metadata that files get instead of their own.
  MetadataOverrides overrides;

  // For a case-insensitive image, its upcase table: two paths that are equal under it but spelled
  // differently are an error; otherwise the last one wins. Empty: no such check. Memory is needed
  // for the paths.
  std::span<const char16_t> upcase;

  // The image has a root directory with metadata, so the import need not make one if the source has
  // none.
  bool has_root = false;
};

}  // namespace cim::transfer
