// Bytes that are read once, from start to end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>

namespace cim::transfer {

// For one thread at a time. Functions throw Error with only a reason in its message.
class Input {
 public:
  virtual ~Input() = default;

  // The next bytes, valid until the next call; empty at the end.
  virtual std::string_view next() = 0;

  // Reads to the end, if somebody cares: the writer of a pipe must not see it closed.
  virtual void drain();
};

// A file from its current position on, or a pipe.
class FileInput : public Input {
 public:
  // `fd` must stay open.
  explicit FileInput(int fd);

  std::string_view next() override;
  void drain() override;  // does nothing if `fd` is seekable

 private:
  const int fd_;
  // Not filled with zeros first: that would take longer than reading a small archive.
  const std::unique_ptr<std::byte[]> buffer_;
};

// A part of a file.
class FilePartInput : public Input {
 public:
  // The `size` bytes at `position` of `fd`, which must stay open.
  FilePartInput(int fd, std::uint64_t position, std::uint64_t size);

  // Throws Error (corrupt) if the file ends before the part does.
  std::string_view next() override;

 private:
  const int fd_;
  std::uint64_t position_;
  std::uint64_t rest_;  // bytes to read
  const std::unique_ptr<std::byte[]> buffer_;
};

}  // namespace cim::transfer
