#include "writer/merged_regions.h"

#include <cstring>

#include <cim/error.h>
#include <fmt/format.h>

namespace cim {

format::RegionOffset RegionTranslation::operator()(format::RegionOffset offset) const {
  if (offset == 0) return 0;
  const std::uint16_t index = format::region_index(offset);
  if (index >= indices_.size()) {
    throw Error(Errc::corrupt, fmt::format("region offset {:#x} is not in any of {} regions",
                                           offset, indices_.size()));
  }
  return format::make_region_offset(indices_[index], format::byte_offset(offset));
}

MergedRegions::MergedRegions(std::vector<format::RegionSet> sets) {
  for (const format::RegionSet& set : sets) append(set);
}

void MergedRegions::append(const format::RegionSet& set) {
  first_regions_.emplace(key_of(set), region_count_);
  sets_.push_back(set);
  region_count_ += set.count;
  if (region_count_ > format::max_regions) {
    throw Error(
        Errc::limit_exceeded,
        fmt::format("together, the images have more than {} region files", format::max_regions));
  }
}

RegionTranslation MergedRegions::add(std::span<const format::RegionSet> sets) {
  std::vector<std::uint16_t> indices;
  for (const format::RegionSet& set : sets) {
    if (set.count == 0) continue;
    if (!first_regions_.contains(key_of(set))) append(set);
    const std::size_t first = first_regions_.at(key_of(set));
    for (std::size_t index = first; index < first + set.count; ++index) {
      indices.push_back(static_cast<std::uint16_t>(index));
    }
  }
  return RegionTranslation(std::move(indices));
}

MergedRegions::Key MergedRegions::key_of(const format::RegionSet& set) {
  std::string id(sizeof(set.id), '\0');
  std::memcpy(id.data(), &set.id, sizeof(set.id));
  return {std::move(id), set.count};
}

}  // namespace cim
