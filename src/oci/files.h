// The files that a container image consists of.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <cim/error.h>

#include "image/file_descriptor.h"

namespace cim::oci {

// Where the bytes of a file are: a part of what `fd` is open on.
struct StoredFile {
  FileDescriptor fd;
  std::uint64_t position = 0;
  std::uint64_t size = 0;
};

// The files of a directory, or the members of an archive. For one thread at a time.
class Files {
 public:
  virtual ~Files() = default;

  // What there is at `path`, which is relative; nothing if there is nothing. Throws Error if it
  // cannot be read, or `path` leads out of here.
  virtual std::optional<StoredFile> find(const std::string& path) const = 0;

  // Names these files in messages.
  virtual const std::string& name() const = 0;
};

std::unique_ptr<Files> files_of_directory(const std::string& directory);

// The members of the tar archive that is open as `fd`, which `name` names in messages. They are
// read where they are, but a compressed archive, and one from a pipe, is first unpacked into a file
// without a name in `spool_directory`: in those, nothing can be read before all that precedes it.
// Throws Error: corrupt for a damaged archive.
std::unique_ptr<Files> files_of_archive(int fd, const std::string& name,
                                        const std::string& spool_directory);

// Calls `make`. Gives an Error that it throws the name of the file of `files` that it is about.
template <class Function>
auto about(const Files& files, const std::string& path, const Function& make) {
  try {
    return make();
  } catch (const Error& error) {
    if (!error.path().empty()) throw;
    throw error.with_object(path).with_path(files.name());
  }
}

}  // namespace cim::oci
