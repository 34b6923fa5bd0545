// Security identifiers (SIDs): whom a security descriptor is about. May be called from many threads
// at once.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include <cim/metadata.h>

namespace cim::format {

// The SID that `bytes` start with: a view into them. Throws Error (corrupt) if it is not whole.
ByteView leading_sid(ByteView bytes);

// The next three take a SID from leading_sid().

// "S-1-5-32-544".
std::string sid_text(ByteView sid);

// As SDDL writes it: "BA" if it has such an alias, or else as sid_text().
std::string format_sid(ByteView sid);

// The name of its account if that has the same SID on every Windows: "BUILTIN\Administrators".
// Otherwise empty.
std::string_view account_name(ByteView sid);

// The SID that `text` spells in upper case, as SDDL does. Throws Error (invalid_argument), also for
// the aliases that stand for accounts of a domain.
std::vector<std::byte> parse_sid(std::string_view text);

}  // namespace cim::format
