// Security descriptors as text: SDDL, Windows' security descriptor definition language ([MS-DTYP]
// 2.5.1). May be called from many threads at once.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <cim/metadata.h>

namespace cim::format {

// The self-relative SECURITY_DESCRIPTOR `descriptor` as Windows'
// ConvertSecurityDescriptorToStringSecurityDescriptor() writes it, except that it knows no domain:
// "O:BAG:SYD:(A;;FA;;;SY)". Throws Error: corrupt; unsupported (entries with conditions or
// attributes).
std::string format_sddl(ByteView descriptor);

// The descriptor that `text` spells, in either case, with its parts in Windows' order. Throws Error
// (invalid_argument), also for what format_sddl() does not support, and for aliases of accounts of
// a domain.
std::vector<std::byte> parse_sddl(std::string_view text);

}  // namespace cim::format
