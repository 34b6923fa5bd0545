// The directory that images are written in. May be called from many threads at once.
#pragma once

#include <string>

#include "image/file_descriptor.h"

namespace cim {

// Opens the directory and locks it as its only writer, across processes, until the descriptor is
// closed. Throws Error: path_not_found (no such directory), access_denied, sharing_violation (it
// has a writer).
FileDescriptor lock_directory(const std::string& directory);

// Makes the names in the directory durable (fsync(2)); `directory` names it in errors. Throws
// Error.
void sync_directory(int fd, const std::string& directory);

}  // namespace cim
