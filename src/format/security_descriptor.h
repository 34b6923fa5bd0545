// Self-relative security descriptors: opaque to us, but checked before they go into an image. May
// be called from many threads at once.
#pragma once

#include <array>
#include <cstdint>

#include <cim/metadata.h>

namespace cim::format {

// Whether `descriptor` is a well-formed self-relative SECURITY_DESCRIPTOR: revision 1, owner,
// group, SACL and DACL within it and of the size that they claim.
bool is_valid_security_descriptor(ByteView descriptor) noexcept;

// A descriptor without owner and group, whose NULL DACL lets everybody do everything.
inline constexpr std::array<std::uint8_t, 20> open_security_descriptor = {0x01, 0x00, 0x04, 0x80};

}  // namespace cim::format
