// Upcase tables: which names are the same when case does not count. May be called from many threads
// at once; the tables never change.
#pragma once

#include <array>
#include <compare>
#include <span>
#include <string_view>

#include <cim/metadata.h>

#include "format/layout.h"

namespace cim::format {

using UpcaseTable = std::array<char16_t, upcase_entries>;

// The table under which every character is its own upper case: names are case-sensitive.
const UpcaseTable& identity_upcase_table();

// Windows' default, the table that Windows 7 and later put on every NTFS volume: each BMP character
// maps to its simple upper case, if that is in the BMP and maps back to it.
const UpcaseTable& windows_upcase_table();

// The order of names in link tables: by code point, after BMP characters are mapped through
// `upcase`, which has upcase_entries entries.
std::strong_ordering compare_names(std::u16string_view a, std::u16string_view b,
                                   std::span<const char16_t> upcase) noexcept;

// The same with `b` as it is stored in an image: UTF-16LE units, which may be unaligned. `b` has an
// even size.
std::strong_ordering compare_names(std::u16string_view a, ByteView b,
                                   std::span<const char16_t> upcase) noexcept;

}  // namespace cim::format
