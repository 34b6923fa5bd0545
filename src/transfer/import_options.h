// How files go into an image.
#pragma once

#include <set>
#include <string>
#include <vector>

#include <cim/image.h>

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

  // The image that the writer builds on. Null: none.
  const Image* base = nullptr;

  // Names that differ only by case are one name in the new image. One with a base is as that is.
  bool case_insensitive = false;

  // Stores whiteouts, as a layer of a container or the upper directory of an overlay has them, like
  // any other file. Otherwise they are an error, unless the source makes whiteouts of them.
  bool literal_whiteouts = false;
};

}  // namespace cim::transfer
