// The directory that images are written in. May be called from many threads at once.
#pragma once

#include <string>

#include "image/file_descriptor.h"

namespace cim {

// Opens the directory and locks it as its only writer, across processes, until the descriptor is
// closed. Throws Error: path_not_found (no such directory), access_denied, sharing_violation (it
// has a writer).
FileDescriptor lock_directory(const std::string& directory);

// Opens and locks the image `name` in the directory `directory_fd`, so that nobody mounts it until
// the descriptor is closed; `path` names it in errors. Waits a moment for a daemon that is ending.
// Throws Error: sharing_violation (it is mounted), and those of open_regular_file().
FileDescriptor lock_image(int directory_fd, const std::string& name, const std::string& path);

// Makes the names in the directory durable (fsync(2)); `directory` names it in errors. Throws
// Error.
void sync_directory(int fd, const std::string& directory);

}  // namespace cim
