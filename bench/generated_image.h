// Images of any number of files, made without a source tree.
#pragma once

#include <cstdint>
#include <string>

namespace cim::bench {

enum class Shape {
  nested,  // 100 files in each directory at the bottom, at most 100 directories in each above
  flat,    // all files in one directory, `flat`
  deep,    // directories within one another, a file in each
};

// Makes the image `path`, which must not exist, of `count` files. Each has the metadata of a Linux
// file and 100 bytes of its own. Throws Error.
void generate_image(const std::string& path, Shape shape, std::uint64_t count);

// The name of file `index` in its directory.
std::u16string generated_name(std::uint64_t index);

}  // namespace cim::bench
