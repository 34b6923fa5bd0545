#include "writer/object_index.h"

#include <algorithm>
#include <tuple>

#include <cim/error.h>

#include "format/bytes.h"
#include "image/base.h"
#include "image/region.h"

namespace cim {

namespace {

// The order of entries in an object id file.
int compare(const format::ObjectIdEntry& entry, const ObjectId& id) {
  const int order = std::memcmp(entry.digest, id.digest.data(), id.digest.size());
  if (order != 0) return order;
  return entry.length < id.length ? -1 : entry.length > id.length ? 1 : 0;
}

}  // namespace

ObjectIndex::ObjectIndex(const Image* base, int directory_fd, const std::string& directory) {
  if (base == nullptr) return;
  std::uint16_t region_index = 0;
  for (const format::RegionSet& set : BaseImage(*base).region_sets()) {
    for (std::uint16_t i = 0; i < set.count; ++i, ++region_index) {
      const std::string name = object_id_file_name(set.id, i);
      const std::string path = directory + "/" + name;
      try {
        const FileDescriptor fd = open_regular_file(directory_fd, name, path);
        Mapping mapping(fd.get(), file_size(fd.get(), path), path);
        const auto header = format::load<format::ObjectIdHeader>(mapping.bytes(), 0, "header");
        check_common_header(header.common, format::FileType::object_id, path);
        const ByteView entries =
            format::slice(mapping.bytes(), header.table_offset,
                          std::uint64_t{header.count} * sizeof(format::ObjectIdEntry), "table");
        base_.push_back({region_index, std::move(mapping), entries});
      } catch (const Error&) {
      }
    }
  }
}

std::optional<format::RegionOffset> ObjectIndex::find_own(const ObjectId& id) const {
  const auto found = own_.find(id);
  if (found == own_.end()) return std::nullopt;
  return found->second;
}

std::optional<format::RegionOffset> ObjectIndex::find_base(const ObjectId& id) const {
  for (const Table& table : base_) {
    if (const auto offset = find(table, id)) return offset;
  }
  return std::nullopt;
}

std::optional<format::RegionOffset> ObjectIndex::find(const Table& table, const ObjectId& id) {
  std::size_t low = 0;
  std::size_t high = table.entries.size() / sizeof(format::ObjectIdEntry);
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    const auto entry = format::load<format::ObjectIdEntry>(
        table.entries, middle * sizeof(format::ObjectIdEntry), "object id");
    const int order = compare(entry, id);
    if (order == 0) {
      if (entry.byte_offset == 0 || entry.byte_offset > format::max_byte_offset)
        return std::nullopt;
      return format::make_region_offset(table.region_index, entry.byte_offset);
    }
    if (order < 0) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return std::nullopt;
}

std::vector<format::ObjectIdEntry> ObjectIndex::entries(std::uint16_t region_index) const {
  std::vector<format::ObjectIdEntry> entries;
  for (const auto& [id, offset] : own_) {
    if (format::region_index(offset) != region_index) continue;
    format::ObjectIdEntry& entry = entries.emplace_back();
    entry.length = id.length;
    std::ranges::copy(id.digest, entry.digest);
    entry.byte_offset = format::byte_offset(offset);
  }
  std::ranges::sort(entries, [](const auto& a, const auto& b) {
    const int order = std::memcmp(a.digest, b.digest, sizeof(a.digest));
    return order != 0 ? order < 0 : a.length < b.length;
  });
  return entries;
}

}  // namespace cim
