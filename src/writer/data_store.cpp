#include "writer/data_store.h"

#include <algorithm>
#include <vector>

#include <cim/error.h>

#include "format/bytes.h"

namespace cim {

namespace {

// Writes `data` to an extent, skipping pages of zeros.
void write_between_holes(RegionWriter& region, std::uint64_t byte_offset, ByteView data) {
  std::size_t start = 0;  // of the data not written yet
  for (std::size_t position = 0; position < data.size(); position += format::page_size) {
    const ByteView page =
        data.subspan(position, std::min<std::size_t>(format::page_size, data.size() - position));
    if (!format::is_zero(page)) continue;
    region.write_at(byte_offset + start, data.subspan(start, position - start));
    start = position + page.size();
  }
  region.write_at(byte_offset + start, data.subspan(start));
}

}  // namespace

DataStore::DataStore(RegionSetWriter& regions, ObjectIndex& objects, const Image* base)
    : regions_(regions), objects_(objects), base_(base) {}

Stream DataStore::put(ByteView data, const Digest& digest, DataPlacement placement,
                      bool has_holes) {
  if (data.empty()) return {};
  if (format::is_zero(data)) return {.length = data.size(), .sparse = true};
  const ObjectId id = {data.size(), digest};
  const auto equal = find_equal(id, [&](const Stream& other) { return base_has(other, data); });
  if (equal) return *equal;
  const format::RegionOffset offset = append(data, placement, has_holes);
  add(id, offset);
  return {.region_offset = offset, .length = data.size()};
}

RegionWriter& DataStore::data_region(std::uint64_t size) {
  return regions_.region(RegionType::data, size);
}

std::optional<Stream> DataStore::find_equal(const ObjectId& id, const Equals& equals) const {
  const auto stream_at = [&](format::RegionOffset offset) {
    return Stream{.region_offset = offset, .length = id.length};
  };
  if (const auto own = objects_.find_own(id)) return stream_at(*own);
  const auto claimed = objects_.find_base(id);
  if (!claimed) return std::nullopt;
  try {
    if (equals(stream_at(*claimed))) return stream_at(*claimed);
  } catch (const Error&) {  // the object id file is wrong: not our data
  }
  return std::nullopt;
}

bool DataStore::base_has(const Stream& stream, ByteView data) const {
  std::vector<std::byte> bytes(data.size());
  return base_->read(stream, 0, bytes) == bytes.size() && std::ranges::equal(bytes, data);
}

format::RegionOffset DataStore::append(ByteView data, DataPlacement placement, bool has_holes) {
  if (placement == DataPlacement::by_size && data.size() <= max_small_length) {
    return regions_.region(RegionType::small_data, data.size()).append(data);
  }
  RegionWriter& region = data_region(data.size());
  if (!has_holes) return region.append(data);
  const format::RegionOffset offset = region.reserve(data.size());
  write_between_holes(region, format::byte_offset(offset), data);
  return offset;
}

}  // namespace cim
