// The data of streams of an image -> files on disk.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <cim/image.h>

#include "transfer/progress.h"

namespace cim::transfer {

// For one thread at a time.
class StreamCopier {
 public:
  // Both must outlive it. `progress` is told of the bytes copied.
  StreamCopier(const Image& image, Progress& progress);

  // Copies `stream` to the empty file `fd`, which `path` names in errors. Holes stay holes. Throws
  // Error as Image does, and as throw_unstorable() for failures on the file.
  void copy(const Stream& stream, int fd, const std::string& path);

 private:
  void copy_range(const Stream& stream, std::uint64_t offset, std::uint64_t end, int fd,
                  const std::string& path);

  // Both copy at least one byte at `offset`, and return how many.
  std::uint64_t copy_in_kernel(const Stream& stream, std::uint64_t offset, std::uint64_t end,
                               int fd, const std::string& path);
  std::uint64_t copy_by_buffer(const Stream& stream, std::uint64_t offset, std::uint64_t end,
                               int fd, const std::string& path);

  const Image& image_;
  Progress& progress_;
  std::vector<std::byte> buffer_;
};

}  // namespace cim::transfer
