// Takes an input of the fuzzer apart.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>

#include <cim/metadata.h>

namespace cim::fuzz {

class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(std::as_bytes(std::span(data, size))) {}

  bool empty() const noexcept { return rest_.empty(); }

  // The next value; zeros where the input ends.
  template <typename T>
  T take() {
    T value = {};
    const ByteView bytes = take_bytes(sizeof(T));
    if (!bytes.empty()) std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }

  // The next `size` bytes, or what is left.
  ByteView take_bytes(std::size_t size) {
    const ByteView bytes = rest_.first(std::min(size, rest_.size()));
    rest_ = rest_.subspan(bytes.size());
    return bytes;
  }

  ByteView rest() const noexcept { return rest_; }

 private:
  ByteView rest_;
};

}  // namespace cim::fuzz
