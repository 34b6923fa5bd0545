#include "writer/object_index.h"

#include <algorithm>

#include <cim/error.h>

#include "image/internals.h"

namespace cim {

namespace {

format::ObjectIdEntry make_entry(const ObjectId& id, std::uint64_t byte_offset) {
  format::ObjectIdEntry entry = {.length = id.length, .digest = {}, .byte_offset = byte_offset};
  std::ranges::copy(id.digest, entry.digest);
  return entry;
}

}  // namespace

ObjectIndex::ObjectIndex(const Image* base, int directory_fd, const std::string& directory) {
  if (base == nullptr) return;
  std::uint16_t region_index = 0;
  for (const format::RegionSet& set : ImageInternals(*base).region_sets()) {
    for (std::uint16_t i = 0; i < set.count; ++i, ++region_index) {
      try {
        ObjectIds ids(directory_fd, directory, set.id, i);
        if (ids.has_known_digests()) base_.emplace_back(region_index, std::move(ids));
      } catch (const Error&) {
      }
    }
  }
}

void ObjectIndex::add(const ObjectId& id, format::RegionOffset offset) {
  if (2 * (own_.size() + 1) > slots_.size()) make_slots();
  std::uint32_t& slot = slots_[slot_of(id)];
  if (slot != 0) return;
  own_.push_back({id, offset});
  slot = static_cast<std::uint32_t>(own_.size());
}

std::optional<format::RegionOffset> ObjectIndex::find_own(const ObjectId& id) const {
  const std::uint32_t found = slots_.empty() ? 0 : slots_[slot_of(id)];
  if (found == 0) return std::nullopt;
  return own_[found - 1].offset;
}

// The slot where `id` is, or would be.
std::size_t ObjectIndex::slot_of(const ObjectId& id) const noexcept {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = ObjectIdHash()(id) & mask;
  while (slots_[slot] != 0 && own_[slots_[slot] - 1].id != id) slot = (slot + 1) & mask;
  return slot;
}

void ObjectIndex::make_slots() {
  const std::size_t count = slots_.empty() ? 1024 : 2 * slots_.size();  // always a power of two
  slots_.assign(count, 0);
  for (std::size_t i = 0; i < own_.size(); ++i) {
    slots_[slot_of(own_[i].id)] = static_cast<std::uint32_t>(i + 1);
  }
}

std::optional<format::RegionOffset> ObjectIndex::find_base(const ObjectId& id) const {
  for (Table& table : base_) {
    std::call_once(table.sorted, [&] { table.entries.sort(); });
    if (const auto offset = find(table, id)) return offset;
  }
  return std::nullopt;
}

std::optional<format::RegionOffset> ObjectIndex::find(const Table& table, const ObjectId& id) {
  const format::ObjectIdEntry wanted = make_entry(id, 0);
  std::size_t low = 0;
  std::size_t high = table.entries.size();
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    const format::ObjectIdEntry entry = table.entries[middle];
    const auto order = compare_object_ids(entry, wanted);
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
    entries.push_back(make_entry(id, format::byte_offset(offset)));
  }
  std::ranges::sort(entries,
                    [](const auto& a, const auto& b) { return compare_object_ids(a, b) < 0; });
  return entries;
}

}  // namespace cim
