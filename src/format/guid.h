// GUIDs as text. May be called from many threads at once.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "format/layout.h"

namespace cim::format {

// `guid` in lower case with dashes and without braces, as in the names of region files.
std::string to_string(const Guid& guid);

// The GUID that `text` spells in that form, in either case; nothing if it spells none.
std::optional<Guid> parse_guid(std::string_view text);

}  // namespace cim::format
