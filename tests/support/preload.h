// Shared objects that change what other programs do.
#pragma once

#include <filesystem>

#include "support/environment.h"

namespace cim::test {

// Programs started while this lives load the shared object `path` first.
class Preload {
 public:
  // LD_PRELOAD separates names by spaces, so it cannot hold every path.
  explicit Preload(const std::filesystem::path& path)
      : directory_("LD_LIBRARY_PATH", path.parent_path().string()),
        name_("LD_PRELOAD", path.filename().string()) {}

 private:
  const Environment directory_;
  const Environment name_;
};

}  // namespace cim::test
