// The latest bytes of an input.
#include "transfer/input_window.h"

#include <algorithm>

namespace cim::transfer {

std::string_view InputWindow::next() {
  if (kept_from_ < block_start_ + block_.size()) {
    const std::uint64_t skipped = std::max(kept_from_, block_start_) - block_start_;
    earlier_ += block_.substr(skipped);
  }
  block_start_ += block_.size();
  block_ = {};  // the call makes it invalid, even if it throws
  block_ = input_.next();
  return block_;
}

void InputWindow::forget_before(std::uint64_t position) {
  const std::uint64_t earlier_start = block_start_ - earlier_.size();
  if (position > earlier_start) earlier_.erase(0, position - earlier_start);
  kept_from_ = position;
}

std::string InputWindow::bytes(std::uint64_t begin, std::uint64_t end) const {
  const std::uint64_t earlier_start = block_start_ - earlier_.size();
  if (begin < earlier_start || end < begin || end > block_start_ + block_.size()) return {};
  std::string bytes;
  if (begin < block_start_) bytes = earlier_.substr(begin - earlier_start, end - begin);
  const std::uint64_t rest = std::max(begin, block_start_);
  if (end > rest) bytes += block_.substr(rest - block_start_, end - rest);
  return bytes;
}

}  // namespace cim::transfer
