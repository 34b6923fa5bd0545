// The bytes of an archive, decompressed.
#include "transfer/decompressed_input.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <archive.h>
#include <archive_entry.h>
#include <cim/error.h>
#include <unistd.h>

namespace cim::transfer {
namespace {

constexpr std::size_t buffer_size = 1 << 20;

Error failure(archive* reader) {
  const char* reason = archive_error_string(reader);
  return Error(Errc::corrupt, reason == nullptr ? "is damaged or cut short" : reason);
}

}  // namespace

void DecompressedInput::CloseArchive::operator()(archive* reader) const noexcept {
  archive_read_free(reader);
}

DecompressedInput::DecompressedInput(int fd)
    : fd_(fd),
      buffer_(std::make_unique_for_overwrite<std::byte[]>(buffer_size)),
      decompressor_(archive_read_new()) {
  if (!decompressor_) throw Error(Errc::out_of_memory, "out of memory");
}

DecompressedInput::~DecompressedInput() = default;

std::string_view DecompressedInput::next() {
  if (kept_from_ < block_start_ + block_.size()) {
    const std::uint64_t skipped = std::max(kept_from_, block_start_) - block_start_;
    earlier_ += block_.substr(skipped);
  }
  block_start_ += block_.size();
  block_ = read_block();
  return block_;
}

void DecompressedInput::forget_before(std::uint64_t position) {
  const std::uint64_t earlier_start = block_start_ - earlier_.size();
  if (position > earlier_start) earlier_.erase(0, position - earlier_start);
  kept_from_ = position;
}

std::string DecompressedInput::bytes(std::uint64_t begin, std::uint64_t end) const {
  const std::uint64_t earlier_start = block_start_ - earlier_.size();
  if (begin < earlier_start || end < begin || end > block_start_ + block_.size()) return {};
  std::string bytes;
  if (begin < block_start_) bytes = earlier_.substr(begin - earlier_start, end - begin);
  const std::uint64_t rest = std::max(begin, block_start_);
  if (end > rest) bytes += block_.substr(rest - block_start_, end - rest);
  return bytes;
}

void DecompressedInput::drain() {
  if (lseek(fd_, 0, SEEK_CUR) >= 0) return;  // a file has no writer waiting at the other end
  while (fill() > 0) continue;
}

// The `raw` format has one member: the whole input.
void DecompressedInput::open() {
  archive* const reader = decompressor_.get();
  archive_read_support_filter_all(reader);
  archive_read_support_format_raw(reader);
  archive_read_support_format_empty(reader);
  const auto callback = [](archive*, void* input, const void** bytes) -> la_ssize_t {
    auto& self = *static_cast<DecompressedInput*>(input);
    *bytes = self.buffer_.get();
    const std::ptrdiff_t length = self.fill();
    if (length < 0) {
      archive_set_error(self.decompressor_.get(), errno, "%s", std::strerror(errno));
    }
    return length;
  };
  if (archive_read_open(reader, this, nullptr, callback, nullptr) != ARCHIVE_OK) {
    throw failure(reader);
  }
  archive_entry* entry = nullptr;
  const int result = archive_read_next_header(reader, &entry);
  at_end_ = result == ARCHIVE_EOF;
  if (!at_end_ && result != ARCHIVE_OK && result != ARCHIVE_WARN) throw failure(reader);
}

std::string_view DecompressedInput::read_block() {
  if (!opened_) open();
  opened_ = true;
  if (at_end_) return {};
  const void* bytes = nullptr;
  std::size_t size = 0;
  la_int64_t offset = 0;
  const int result = archive_read_data_block(decompressor_.get(), &bytes, &size, &offset);
  at_end_ = result == ARCHIVE_EOF;
  if (at_end_) return {};
  if (result != ARCHIVE_OK && result != ARCHIVE_WARN) throw failure(decompressor_.get());
  return {static_cast<const char*>(bytes), size};
}

// Returns as read(2) does.
std::ptrdiff_t DecompressedInput::fill() {
  for (;;) {
    const ssize_t length = ::read(fd_, buffer_.get(), buffer_size);
    if (length >= 0 || errno != EINTR) return length;
  }
}

}  // namespace cim::transfer
