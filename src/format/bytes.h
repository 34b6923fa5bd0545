// Reads values from unchecked bytes, and appends bytes to buffers. May be called from many threads
// at once, for different buffers.
#pragma once

#include <cstring>
#include <type_traits>
#include <vector>

#include <cim/error.h>
#include <cim/metadata.h>
#include <fmt/format.h>

namespace cim::format {

// The `length` bytes of `bytes` from `offset`. Throws Error (corrupt), naming `what`, if they are
// not all there.
inline ByteView slice(ByteView bytes, std::uint64_t offset, std::uint64_t length,
                      const char* what) {
  if (offset > bytes.size() || length > bytes.size() - offset) {
    throw Error(Errc::corrupt, fmt::format("{} at {} of {} bytes reaches past the end at {}", what,
                                           offset, length, bytes.size()));
  }
  return bytes.subspan(offset, length);
}

// The value of type T at `offset` of `bytes`, which may be unaligned. Throws as slice() does.
template <typename T>
T load(ByteView bytes, std::uint64_t offset, const char* what) {
  static_assert(std::is_trivially_copyable_v<T>);
  T value;
  std::memcpy(&value, slice(bytes, offset, sizeof(T), what).data(), sizeof(T));
  return value;
}

// The bytes of `value`, which must outlive the view.
template <typename T>
ByteView bytes_of(const T& value) {
  static_assert(std::is_trivially_copyable_v<T>);
  return std::as_bytes(std::span<const T, 1>(&value, 1));
}

// Whether `bytes` are all zeros.
inline bool is_zero(ByteView bytes) {
  return bytes.empty() || (bytes[0] == std::byte{0} &&
                           std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

// Appends `bytes`, which must not be a part of `buffer`.
inline void append(std::vector<std::byte>& buffer, ByteView bytes) {
  buffer.insert(buffer.end(), bytes.begin(), bytes.end());
}

}  // namespace cim::format
