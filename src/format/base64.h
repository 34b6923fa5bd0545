// Base64, RFC 4648. May be called from many threads at once.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace cim::format {

// The bytes that `text` stands for. Throws Error (corrupt) if it is not base64, or over 1 GiB.
std::vector<std::byte> decode_base64(std::string_view text);

}  // namespace cim::format
