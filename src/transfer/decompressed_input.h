// The bytes of an archive, decompressed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

struct archive;

namespace cim::transfer {

// Reads a file and undoes any compression that libarchive knows. For one thread at a time.
class DecompressedInput {
 public:
  // Reads from `fd`, which must stay open and need not be seekable.
  explicit DecompressedInput(int fd);
  DecompressedInput(const DecompressedInput&) = delete;
  DecompressedInput& operator=(const DecompressedInput&) = delete;
  ~DecompressedInput();

  // The next bytes, valid until the next call; empty at the end. Throws Error with only a reason in
  // its message.
  std::string_view next();

  // Forgets the bytes returned by next() before `position`, counted in bytes from the start.
  void forget_before(std::uint64_t position);

  // The bytes from `begin`, which must not be forgotten, to `end`, which next() must have reached.
  std::string bytes(std::uint64_t begin, std::uint64_t end) const;

  // The number of bytes that bytes() would still return.
  std::uint64_t kept_size() const noexcept { return block_start_ + block_.size() - kept_from_; }

  // Reads an unseekable input to its end, so that its writer does not see a closed pipe.
  void drain();

 private:
  struct CloseArchive {
    void operator()(archive* reader) const noexcept;
  };

  void open();
  std::string_view read_block();
  std::ptrdiff_t fill();

  const int fd_;
  // Not filled with zeros first: that would take longer than reading a small archive.
  std::unique_ptr<std::byte[]> buffer_;
  std::unique_ptr<archive, CloseArchive> decompressor_;
  bool opened_ = false;
  bool at_end_ = false;

  std::string_view block_;  // what next() returned last
  std::uint64_t block_start_ = 0;
  std::string earlier_;  // the kept part of the bytes before that
  std::uint64_t kept_from_ = 0;
};

}  // namespace cim::transfer
