// GUIDs: as text, and of content. May be called from many threads at once.
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

// `guid` as one that is made from content: version 8 of RFC 9562. We alone name region sets so.
Guid as_content_guid(Guid guid) noexcept;
bool is_content_guid(const Guid& guid) noexcept;

}  // namespace cim::format
