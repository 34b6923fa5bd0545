// Files of committed images, for the functions of the C API that take no handle. May be called from
// many threads at once.
#pragma once

#include <cim/image.h>
#include <cimfs.h>

namespace cim::capi {

// A file or directory of an image.
class ImageFile {
 public:
  // `image_path` and `file_path` are those of CimReadFile(). Throws Error: invalid_argument for a
  // malformed path, file_not_found, path_not_found if a parent of the file is not an existing
  // directory, and what Image's constructor throws.
  ImageFile(const char16_t* image_path, const char16_t* file_path);

  // What a read of a file returns, in bytes.
  struct ReadResult {
    std::uint64_t read;       // less than asked for only at the end of the file
    std::uint64_t remaining;  // after that
  };

  // Reads up to out.size() bytes from `offset`. Throws Error: is_a_directory, corrupt, io_error.
  ReadResult read(std::uint64_t offset, std::span<std::byte> out) const;

  // Throws Error (corrupt).
  FILE_STAT_BASIC_INFORMATION status() const;

 private:
  Image image_;
  std::u16string path_;
  File file_;
};

}  // namespace cim::capi
