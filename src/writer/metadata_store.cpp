#include "writer/metadata_store.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "format/bytes.h"
#include "image/internals.h"
#include "image/object_ids.h"

namespace cim {

namespace {

constexpr std::size_t max_recent_size = 1 << 20;
constexpr std::size_t max_waiting_size = 1 << 18;

}  // namespace

MetadataStore::MetadataStore(RegionSetWriter& regions, const ObjectIndex& base_objects,
                             const Image* base)
    : regions_(regions), base_objects_(base_objects), base_(base) {}

RegionWriter& MetadataStore::region() {
  if (region_ == nullptr) region_ = &regions_.region(RegionType::metadata, 0);
  return *region_;
}

format::RegionOffset MetadataStore::intern(ByteView object) {
  if (object.empty()) return 0;
  std::string content(reinterpret_cast<const char*>(object.data()), object.size());
  const auto known = recent_.find(content);
  if (known != recent_.end()) return known->second;
  const format::RegionOffset offset = find_or_store(object);
  if (recent_size_ + content.size() > max_recent_size) {
    recent_.clear();
    recent_size_ = 0;
  }
  recent_size_ += content.size();
  recent_.emplace(std::move(content), offset);
  return offset;
}

format::RegionOffset MetadataStore::find_or_store(ByteView object) {
  const ObjectId id = {object.size(), object_digest(object)};
  const auto known = interned_.find(id);
  if (known != interned_.end()) return known->second;
  const auto claimed = base_objects_.find_base(id);
  if (claimed && base_has(*claimed, object)) {
    interned_.emplace(id, *claimed);
    return *claimed;
  }
  const format::RegionOffset offset = region().append(object);
  add(offset, object, id.digest);
  interned_.emplace(id, offset);
  return offset;
}

bool MetadataStore::base_has(format::RegionOffset offset, ByteView object) const {
  try {
    return std::ranges::equal(ImageInternals(*base_).metadata_object(offset, object.size()),
                              object);
  } catch (const Error&) {  // the object id file is wrong
    return false;
  }
}

format::RegionOffset MetadataStore::append(ByteView object) {
  const format::RegionOffset offset = region().append(object);
  if (object.size() > max_waiting_size) {
    add(offset, object, object_digest(object));
    return offset;
  }
  if (waiting_bytes_.size() + object.size() > max_waiting_size) digest_waiting();
  format::append(waiting_bytes_, object);
  waiting_.push_back(
      {.length = object.size(), .digest = {}, .byte_offset = format::byte_offset(offset)});
  return offset;
}

void MetadataStore::add(format::RegionOffset offset, ByteView object, const Digest& digest) {
  format::ObjectIdEntry& entry = ids_.emplace_back(format::ObjectIdEntry{
      .length = object.size(), .digest = {}, .byte_offset = format::byte_offset(offset)});
  std::ranges::copy(digest, entry.digest);
}

void MetadataStore::digest_waiting() {
  std::vector<ByteView> objects;
  objects.reserve(waiting_.size());
  ByteView rest = waiting_bytes_;
  for (const format::ObjectIdEntry& entry : waiting_) {
    objects.push_back(rest.first(entry.length));
    rest = rest.subspan(entry.length);
  }
  std::vector<Digest> digests(objects.size());
  digest_objects(objects, digests);
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    std::ranges::copy(digests[i], waiting_[i].digest);
    ids_.push_back(waiting_[i]);
  }
  waiting_.clear();
  waiting_bytes_.clear();
}

std::vector<format::ObjectIdEntry> MetadataStore::take_object_ids() {
  digest_waiting();
  std::ranges::sort(ids_,
                    [](const auto& a, const auto& b) { return compare_object_ids(a, b) < 0; });
  return std::exchange(ids_, {});
}

}  // namespace cim
