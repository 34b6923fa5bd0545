// How much data the files of an image hold.
#pragma once

#include <cstdint>
#include <unordered_set>

#include <cim/image.h>

namespace cim::cli {

// All in bytes. What is stored counts once, where it is met first.
struct Usage {
  std::uint64_t apparent = 0;  // the sizes of regular files and symbolic links
  std::uint64_t own = 0;       // the data in the image's own region files
  std::uint64_t parents = 0;   // the data in region files of images that it builds on
  std::uint64_t again = 0;     // the data that has been counted before

  std::uint64_t stored() const noexcept { return own + parents; }
  Usage& operator+=(const Usage& other) noexcept;
};

// Counts the usage that files add to that of the files before them. For one thread at a time.
class UsageCounter {
 public:
  // `image` must outlive this.
  explicit UsageCounter(const Image& image);

  // For anything but a directory. Throws Error.
  Usage count(const File& file);

 private:
  std::uint64_t data_length(const Stream& stream) const;

  const Image& image_;
  std::size_t first_own_region_;
  std::unordered_set<FileId> files_;
  std::unordered_set<std::uint64_t> streams_;  // by region offset
};

}  // namespace cim::cli
