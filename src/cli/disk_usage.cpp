#include "cli/disk_usage.h"

#include "format/layout.h"
#include "image/internals.h"
#include "posix/attributes.h"

namespace cim::cli {
namespace {

std::size_t count_parent_regions(const Image& image) {
  const std::vector<RegionSetInfo> sets = image.region_sets();
  std::size_t count = 0;
  for (const RegionSetInfo& set : sets) {
    if (&set != &sets.back()) count += set.regions.size();
  }
  return count;
}

// Where the data of `stream` is.
format::RegionOffset data_offset(const Image& image, const Stream& stream) {
  if (stream.type != StreamType::pe_image) return stream.region_offset;
  return ImageInternals(image).pe_image(stream).header.data;
}

}  // namespace

Usage& Usage::operator+=(const Usage& other) noexcept {
  apparent += other.apparent;
  own += other.own;
  parents += other.parents;
  again += other.again;
  return *this;
}

UsageCounter::UsageCounter(const Image& image)
    : image_(image), first_own_region_(count_parent_regions(image)) {}

Usage UsageCounter::count(const File& file) {
  if (!files_.insert(file.id).second) return {};  // one more hard link
  if (posix::is_symlink(file)) return {.apparent = posix::symlink_target(image_, file).size()};
  if (file.stream.type == StreamType::link_table) return {};  // a Windows oddity, not walked
  Usage usage = {.apparent = file.stream.length};
  if (file.stream.sparse || file.stream.length == 0) return usage;
  const std::uint64_t length = data_length(file.stream);
  const format::RegionOffset offset = data_offset(image_, file.stream);
  if (!streams_.insert(offset).second) {
    usage.again = length;
  } else if (format::region_index(offset) < first_own_region_) {
    usage.parents = length;
  } else {
    usage.own = length;
  }
  return usage;
}

// Without holes.
std::uint64_t UsageCounter::data_length(const Stream& stream) const {
  std::uint64_t bytes = 0;
  for (auto data = image_.seek(stream, 0, true); data;) {
    const std::uint64_t hole = image_.seek(stream, *data, false).value_or(stream.length);
    bytes += hole - *data;
    data = image_.seek(stream, hole, true);
  }
  return bytes;
}

}  // namespace cim::cli
