// An image with one field broken, for each field of each structure: one table for all tests that
// try this.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace cim::test {

// An image that the tests break.
struct BreakableImage {
  const char* name;
  void (*make)(const std::string& directory);  // makes a.cim there
  std::size_t step;                            // for tests that have no time for each corruption
};

// The sample image, built upon once, and images as other writers may make them, in each version.
extern const std::array<BreakableImage, 4> breakable_images;

// A field with a wrong value.
struct Corruption {
  const char* field;
  std::string path;      // of the file that holds it
  std::uint64_t offset;  // in that file
  std::size_t size;      // bytes, at most 8
  std::uint64_t original;
  std::uint64_t value;
};

std::ostream& operator<<(std::ostream& out, const Corruption& corruption);

// All corruptions of the image at `path`, object id files included, field by field.
std::vector<Corruption> all_corruptions(const std::string& path);

// Calls try_out(corruption) for every `step`th of all_corruptions(path), with that one in the
// image. If the environment variable BROKEN_IMAGES_SECONDS is set: for as many of all as that time
// allows, in random order. Returns how many.
int try_corruptions(const std::string& path, std::size_t step,
                    const std::function<void(const Corruption&)>& try_out);

}  // namespace cim::test
