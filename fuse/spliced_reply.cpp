#include "spliced_reply.h"

#include <algorithm>

#include <linux/fuse.h>

#include "checked_answers.h"

namespace cim {
namespace {

constexpr std::uint64_t page_size = 4096;

// The size of the largest pipe that needs no privilege.
constexpr std::uint64_t max_pipe_pages = 256;

// libfuse makes its pipes large enough for the header, the data, these spare pages, and one page
// for each piece.
constexpr std::uint64_t header_size = sizeof(fuse_out_header);
constexpr std::uint64_t spare_pages = 2;

}  // namespace

std::size_t SplicedReply::most_pieces(std::uint64_t length) noexcept {
  const std::uint64_t data_pages = (header_size + length + page_size - 1) / page_size;
  const std::uint64_t taken = std::min(data_pages + spare_pages, max_pipe_pages);
  return std::min<std::uint64_t>(max_pieces, max_pipe_pages - taken);
}

bool SplicedReply::find(const Image& image, const Stream& stream, std::uint64_t position,
                        std::uint64_t length) {
  static_assert(sizeof(pieces_) == sizeof(fuse_bufvec) + sizeof(pieces_.others),
                "the pieces follow each other");
  const std::size_t most = most_pieces(length);
  pieces_.vector = {};
  std::size_t count = 0;
  while (length > 0) {
    if (count == most) return false;
    last_extent_ = image.extent(stream, position, length);
    if (last_extent_.fd < 0) return false;
    fuse_buf& piece = count == 0 ? pieces_.vector.buf[0] : pieces_.others[count - 1];
    piece = {.size = last_extent_.length,
             .flags = static_cast<fuse_buf_flags>(FUSE_BUF_IS_FD | FUSE_BUF_FD_SEEK),
             .fd = last_extent_.fd,
             .pos = static_cast<off_t>(last_extent_.position)};
    ++count;
    position += last_extent_.length;
    length -= last_extent_.length;
  }
  pieces_.vector.count = count;
  return true;
}

void SplicedReply::send(fuse_req_t request, const Image& image) noexcept {
  expect_data(fuse_buf_size(&pieces_.vector), image.path());
  fuse_reply_data(request, &pieces_.vector, FUSE_BUF_SPLICE_MOVE);
}

}  // namespace cim
