// Names in layers of containers.
#pragma once

#include <string_view>

#include "format/upcase.h"

namespace cim::transfer {

// Whether Windows takes two paths for one.
inline bool equal_on_windows(std::u16string_view a, std::u16string_view b) {
  return format::compare_names(a, b, format::windows_upcase_table()) == 0;
}

}  // namespace cim::transfer
