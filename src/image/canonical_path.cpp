#include "image/canonical_path.h"

#include <cerrno>
#include <cstdlib>
#include <memory>

#include <cim/error.h>

namespace cim {

std::string canonical_path(const std::string& path) {
  const std::unique_ptr<char, decltype(&std::free)> canonical(realpath(path.c_str(), nullptr),
                                                              &std::free);
  if (!canonical) throw system_error(errno, path);
  return canonical.get();
}

}  // namespace cim
