// The region files that two images have in common.
#include "transfer/shared_regions.h"

#include <algorithm>
#include <cerrno>
#include <vector>

#include <sys/stat.h>

#include "format/layout.h"
#include "transfer/image_files.h"

namespace cim::transfer {
namespace {

// The region files of `image`, in order.
std::vector<FileKey> region_files(const Image& image) {
  std::vector<FileKey> files;
  for (const RegionSetInfo& set : image.region_sets()) {
    for (const RegionInfo& region : set.regions) {
      struct stat status;
      if (stat(region.path.c_str(), &status) != 0) throw system_error(errno, region.path);
      files.push_back(key_of(status));
    }
  }
  return files;
}

}  // namespace

SharedRegions::SharedRegions(const Image& a, const Image& b) {
  const auto a_files = region_files(a);
  const auto b_files = region_files(b);
  count_ = static_cast<std::size_t>(std::ranges::mismatch(a_files, b_files).in1 - a_files.begin());
  all_of_first_ = count_ == a_files.size();
}

bool SharedRegions::same_object(std::uint64_t a, std::uint64_t b) const noexcept {
  return a == b && (a == 0 || format::region_index(a) < count_);
}

bool SharedRegions::same_stream(const Stream& a, const Stream& b) const noexcept {
  if (a.type != b.type || a.length != b.length || a.sparse != b.sparse) return false;
  // An executable in a shared region can refer to a region that is not shared.
  const bool is_plain = a.type == StreamType::data;
  if (!is_plain && (a.type != StreamType::pe_image || !all_of_first_)) return false;
  return a.sparse || a.length == 0 || same_object(a.region_offset, b.region_offset);
}

}  // namespace cim::transfer
