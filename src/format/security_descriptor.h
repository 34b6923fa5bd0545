// Self-relative security descriptors: opaque to us, but checked before they go into an image. May
// be called from many threads at once.
#pragma once

#include <cim/metadata.h>

namespace cim::format {

// Whether `descriptor` is a well-formed self-relative SECURITY_DESCRIPTOR: revision 1, owner,
// group, SACL and DACL within it and of the size that they claim.
bool is_valid_security_descriptor(ByteView descriptor) noexcept;

}  // namespace cim::format
