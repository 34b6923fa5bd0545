#include "writer/region_set_writer.h"

#include <algorithm>
#include <cstring>
#include <future>

#include <cim/error.h>

#include "format/bytes.h"
#include "format/guid.h"
#include "image/region.h"

namespace cim {

namespace {

// File systems limit file sizes, ext4 to 16 TiB; several sparse streams together may claim more.
constexpr std::uint64_t max_region_length = std::uint64_t{4} << 40;

format::ObjectIdHeader object_id_header(std::size_t count, std::uint16_t index, RegionType type) {
  format::ObjectIdHeader header = {};
  std::memcpy(header.common.magic, format::magic, sizeof(format::magic));
  header.common.header_length = sizeof(header);
  header.common.type = format::FileType::object_id;
  header.common.version_major = format::version_major;
  header.common.version_minor = format::version_minor;
  header.index = index;
  header.type = static_cast<std::uint8_t>(type);
  header.table_offset = sizeof(header);
  header.count = static_cast<std::uint32_t>(count);
  return header;
}

// A higher `attempt` avoids damaged files: they have the name that belongs to the content, but not
// the content.
format::Guid make_guid(const Digest& identity, std::uint32_t attempt) {
  Hasher hasher;
  hasher.update(format::bytes_of(identity));
  hasher.update(format::bytes_of(attempt));
  const Digest digest = hasher.finish();
  format::Guid guid;
  std::memcpy(&guid, digest.data(), sizeof(guid));
  return format::as_content_guid(guid);
}

}  // namespace

RegionSetWriter::RegionSetWriter(int directory_fd, std::string directory, std::size_t base_regions)
    : directory_fd_(directory_fd), directory_(std::move(directory)), base_regions_(base_regions) {}

RegionWriter& RegionSetWriter::region(RegionType type, std::uint64_t length) {
  const auto last = std::find_if(regions_.rbegin(), regions_.rend(),
                                 [&](const auto& region) { return region->type() == type; });
  if (last != regions_.rend() &&
      ((*last)->is_empty() || (*last)->end() + length <= max_region_length)) {
    return **last;
  }
  const std::size_t index = base_regions_ + regions_.size();
  if (index >= format::max_regions) {
    throw Error(Errc::limit_exceeded, "the image and those it builds on have 65,536 region files")
        .with_path(directory_);
  }
  regions_.push_back(std::make_unique<RegionWriter>(PendingFile(directory_fd_, directory_), type,
                                                    static_cast<std::uint16_t>(index)));
  return *regions_.back();
}

RegionWriter* RegionSetWriter::own_region(std::uint16_t region_index) noexcept {
  if (region_index < base_regions_) return nullptr;
  return regions_[region_index - base_regions_].get();
}

void RegionSetWriter::finish(std::span<const format::ObjectIdEntry> metadata_objects,
                             const ObjectIndex& data_objects) {
  for (std::uint16_t i = 0; i < regions_.size(); ++i) {
    RegionWriter& region = *regions_[i];
    region.finish();
    if (region.type() == RegionType::metadata) {
      write_object_ids(region.type(), metadata_objects);
    } else {
      write_object_ids(region.type(), data_objects.entries(region.region_index()));
    }
  }
  sync();
}

// Writes the object id file of the next region.
void RegionSetWriter::write_object_ids(RegionType type,
                                       std::span<const format::ObjectIdEntry> entries) {
  const auto index = static_cast<std::uint16_t>(object_id_files_.size());
  const format::ObjectIdHeader header = object_id_header(entries.size(), index, type);
  PendingFile& file = object_id_files_.emplace_back(directory_fd_, directory_);
  file.write_at(0, &header, sizeof(header));
  file.write_at(sizeof(header), entries.data(), entries.size_bytes());
  identity_.update(format::bytes_of(header));
  identity_.update(std::as_bytes(entries));
}

// Syncs all files at once: one commit of the file system's journal and one flush of the disk's
// cache then do for all.
void RegionSetWriter::sync() {
  std::vector<std::future<void>> syncs;
  const auto start = [&](PendingFile& file) {
    syncs.push_back(std::async(std::launch::async, [&file] { file.sync(); }));
  };
  for (const auto& region : regions_) start(region->file());
  for (PendingFile& file : object_id_files_) start(file);
  for (std::future<void>& sync : syncs) sync.get();
}

format::RegionSet RegionSetWriter::publish() {
  const Digest identity = identity_.finish();
  format::Guid id = make_guid(identity, 0);
  for (std::uint32_t attempt = 1; !can_be(id); ++attempt) id = make_guid(identity, attempt);
  publish_as(id);
  return {.id = id,
          .count = static_cast<std::uint16_t>(regions_.size()),
          .reserved = 0,
          .reserved2 = 0};
}

// Whether no file of the set `id` exists, except files with our content: those of an equal image,
// or leftovers of one.
bool RegionSetWriter::can_be(const format::Guid& id) {
  for (std::uint16_t i = 0; i < regions_.size(); ++i) {
    if (regions_[i]->file().differs_from(region_file_name(id, i)) ||
        object_id_files_[i].differs_from(object_id_file_name(id, i))) {
      return false;
    }
  }
  return true;
}

// Leaves existing files as they are.
void RegionSetWriter::publish_as(const format::Guid& id) {
  try {
    for (std::uint16_t i = 0; i < regions_.size(); ++i) {
      regions_[i]->file().publish(region_file_name(id, i));
      object_id_files_[i].publish(object_id_file_name(id, i));
    }
  } catch (...) {
    withdraw();
    throw;
  }
}

void RegionSetWriter::withdraw() noexcept {
  for (const auto& region : regions_) region->file().withdraw();
  for (PendingFile& file : object_id_files_) file.withdraw();
}

}  // namespace cim
