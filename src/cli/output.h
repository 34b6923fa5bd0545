// Standard output.
#pragma once

#include <string_view>

namespace cim::cli {

// Writes `text` to standard output. Throws Error with the errno of a failed write.
void print(std::string_view text);

}  // namespace cim::cli
