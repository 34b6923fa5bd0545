// The names of images on the command line.
#pragma once

#include <algorithm>
#include <string>

namespace cim::cli {

// The path of an image, split as Writer needs it.
struct ImageName {
  explicit ImageName(const std::string& path) {
    const std::size_t slash = path.rfind('/');
    name = path.substr(slash + 1);  // npos + 1 is 0
    directory = slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
  }

  std::string directory;
  std::string name;
};

}  // namespace cim::cli
