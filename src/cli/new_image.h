// What cim create makes its image of, and over.
#pragma once

#include <optional>
#include <string>

#include <cim/writer.h>

namespace cim::cli {

// Throws Error if `image`, the name of an image to make, or `source`, the directory to make it of,
// cannot be meant like that: they are swapped, one is an archive, or there is a file that must not
// be replaced. If `replace`, an image may be.
void check_arguments_of_create(const std::string& image, const std::optional<std::string>& source,
                               bool replace);

// Throws Error if the image `path`, which is to be replaced, is mounted now: better than after the
// source has been read.
void refuse_mounted(const std::string& path);

// How a Writer makes `image`, on `base` if there is one, which the option `base_option` named.
// Throws UsageError if they are not in one directory, Error if the base cannot be found.
Writer::Options new_image_options(const std::string& image, const std::optional<std::string>& base,
                                  const std::string& base_option);

// How a Writer changes the image `path`.
Writer::Options extending_options(const std::string& path);

// The name of the image that `base` leads to, which is to share its files with the new `image`.
// Throws as new_image_options() does; `argument` named it.
std::string sharing_image_name(const std::string& base, const std::string& image,
                               const std::string& argument);

}  // namespace cim::cli
