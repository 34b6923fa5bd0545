// The region files of a merged image. Values; for one thread at a time.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <cim/image.h>

#include "format/layout.h"

namespace cim {

// Turns the region offsets of one of the merged images into those of the merged image.
class RegionTranslation {
 public:
  // `indices`: by the region index in the one, that in the other.
  explicit RegionTranslation(std::vector<std::uint16_t> indices) : indices_(std::move(indices)) {}

  // Throws Error (corrupt) if the image has no such region. 0, which means none, stays.
  format::RegionOffset operator()(format::RegionOffset offset) const;

 private:
  std::vector<std::uint16_t> indices_;
};

// The region sets of all merged images, each once.
class MergedRegions {
 public:
  // Begins with the region sets of one image, whose region offsets stay as they are.
  explicit MergedRegions(std::vector<format::RegionSet> sets);

  // Adds those of another image that are not there yet. Throws Error (limit_exceeded) if there are
  // too many region files.
  RegionTranslation add(std::span<const format::RegionSet> sets);

  const std::vector<format::RegionSet>& sets() const noexcept { return sets_; }
  std::size_t region_count() const noexcept { return region_count_; }

 private:
  void append(const format::RegionSet& set);

  // A set with another number of region files counts as another one.
  using Key = std::pair<std::string, std::uint16_t>;
  static Key key_of(const format::RegionSet& set);

  std::vector<format::RegionSet> sets_;
  std::size_t region_count_ = 0;
  std::map<Key, std::size_t> first_regions_;  // the index of the first one of each set
};

}  // namespace cim
