// SHA-256. May be used from many threads at once.
#pragma once

#include <array>
#include <cstddef>

#include <cim/metadata.h>

namespace cim::transfer {

using Sha256 = std::array<std::byte, 32>;

// Throws Error (unsupported) if OpenSSL is set up not to have it.
Sha256 sha256(ByteView data);

}  // namespace cim::transfer
