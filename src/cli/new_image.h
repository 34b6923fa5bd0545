// What cim create makes its image of, and over.
#pragma once

#include <optional>
#include <string>

namespace cim::cli {

// Throws Error if `image`, the name of an image to make, or `source`, the directory to make it of,
// cannot be meant like that: they are swapped, one is an archive, or there is a file that must not
// be replaced. If `replace`, an image may be.
void check_arguments_of_create(const std::string& image, const std::optional<std::string>& source,
                               bool replace);

}  // namespace cim::cli
