// Checking a CIMFS_FILE_METADATA before it goes into an image. May be called from many threads at
// once.
#pragma once

#include <cstdint>

#include <cim/metadata.h>
#include <cimfs.h>

namespace cim::capi {

struct CheckedMetadata {
  Metadata metadata;       // its views point at the caller's buffers
  std::uint64_t size = 0;  // bytes; 0 for a directory
  bool is_directory = false;
};

// Checks what Writer does not, and converts `source`. Throws Error (invalid_argument) if it is null
// or its size, its pointers or its reparse data are malformed.
CheckedMetadata check_metadata(const CIMFS_FILE_METADATA* source);

}  // namespace cim::capi
