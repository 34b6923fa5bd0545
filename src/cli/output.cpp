// Standard output.
#include "cli/output.h"

#include <cerrno>
#include <cstdio>

#include <cim/error.h>

namespace cim::cli {

void print(std::string_view text) {
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) {
    throw system_error(errno, "standard output");
  }
}

}  // namespace cim::cli
