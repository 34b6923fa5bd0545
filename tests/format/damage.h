// Damaged forms of structures, for tests that decoders survive them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include <cim/error.h>
#include <cim/metadata.h>

namespace cim::format {

using Bytes = std::vector<std::byte>;

inline Bytes to_bytes(ByteView view) { return {view.begin(), view.end()}; }

// Whether `decode` throws Error (corrupt). Any other exception passes on to the caller.
template <typename Decode>
bool is_corrupt(Decode decode) {
  try {
    decode();
  } catch (const Error& error) {
    if (error.code() != Errc::corrupt) {
      throw;
    }
    return true;
  }
  return false;
}

// Calls `use` with each proper prefix of `bytes`, in memory of exactly its size, so that a
// sanitizer sees every read past the end.
template <typename Use>
void for_each_prefix(ByteView bytes, Use use) {
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    use(to_bytes(bytes.first(size)));
  }
}

// Calls `use` with `bytes` after setting each u8, u16 and u32 in them, aligned or not, to 0, to 1,
// to the largest values, and to values next to the original.
template <typename Use>
void for_each_changed_field(ByteView bytes, Use use) {
  for (std::size_t width : {1, 2, 4}) {
    for (std::size_t offset = 0; offset + width <= bytes.size(); ++offset) {
      std::uint32_t original = 0;
      std::memcpy(&original, bytes.data() + offset, width);
      for (std::uint32_t value : {0U, 1U, original - 1, original + 1, original + 4, 0x7FFFFFFFU,
                                  0xFFFFFFFCU, 0xFFFFFFFFU}) {
        Bytes changed = to_bytes(bytes);
        std::memcpy(changed.data() + offset, &value, width);
        use(changed);
      }
    }
  }
}

// Whether `part` lies within `whole`.
inline bool is_within(ByteView part, ByteView whole) {
  return part.data() >= whole.data() && part.data() + part.size() <= whole.data() + whole.size();
}

}  // namespace cim::format
