// The region files that two images have in common.
#pragma once

#include <cstddef>
#include <cstdint>

#include <cim/image.h>

namespace cim::transfer {

// Those at the start of both images, as a fork and its parent have them: offsets in these mean the
// same bytes in both. A value; may be used from many threads at once.
class SharedRegions {
 public:
  SharedRegions() = default;  // none

  // Throws Error if a region file is gone.
  SharedRegions(const Image& a, const Image& b);

  bool none() const noexcept { return count_ == 0; }

  // Whether `b` builds on `a`: all that `a` refers to is in these region files.
  bool include_all_of_first() const noexcept { return all_of_first_; }

  // Whether two offsets, one in each image, mean the same object, or none.
  bool same_object(std::uint64_t a, std::uint64_t b) const noexcept;

  // Whether two streams have the same data for sure. If not, it may still be equal.
  bool same_stream(const Stream& a, const Stream& b) const noexcept;

 private:
  std::size_t count_ = 0;
  bool all_of_first_ = false;
};

}  // namespace cim::transfer
