// Answers reads without copying.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <cim/image.h>
#include <fuse_lowlevel.h>

namespace cim {

// The answer to a read, which the kernel moves from the region files through a pipe. The data of an
// executable may be in several pieces.
class SplicedReply {
 public:
  SplicedReply() = default;
  SplicedReply(const SplicedReply&) = delete;
  SplicedReply& operator=(const SplicedReply&) = delete;

  // Finds the `length` bytes of `stream` from `position` on, all of which must exist. Call it once.
  // Returns false if they cannot be sent like this: they are in no file, or in too many pieces for
  // libfuse's pipe. Throws Error.
  bool find(const Image& image, const Stream& stream, std::uint64_t position, std::uint64_t length);

  // The extent of the last bytes.
  const Extent& last_extent() const noexcept { return last_extent_; }

  // Sends what find() has found in `image`. Becomes EIO if it is not all there any more.
  void send(fuse_req_t request, const Image& image) noexcept;

 private:
  static constexpr std::size_t max_pieces = 16;

  static std::size_t most_pieces(std::uint64_t length) noexcept;

  struct {
    fuse_bufvec vector;  // has the first piece
    std::array<fuse_buf, max_pieces - 1> others;
  } pieces_;  // only what find() has found is set: most reads are too short for it
  Extent last_extent_;
};

}  // namespace cim
