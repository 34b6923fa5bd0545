// Region sets that no image needs any more.
#pragma once

#include <span>
#include <string>

#include "format/layout.h"

namespace cim {

// Removes the region and object id files of those of `candidates` that no image in `directory`
// refers to. Removes nothing if one of the directory's files cannot be read, since it may be an
// image that does.
void remove_unused_region_sets(int directory_fd, const std::string& directory,
                               std::span<const format::RegionSet> candidates);

}  // namespace cim
