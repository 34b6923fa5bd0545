// Images put together by hand, as other writers make them or as broken as a test needs.
#pragma once

#include <algorithm>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <cim/image.h>

#include "format/bytes.h"
#include "format/layout.h"
#include "format/link_table.h"
#include "format/upcase.h"
#include "image/digest.h"
#include "image/object_ids.h"
#include "image/region.h"

namespace cim::test {

// One metadata region (index 0) and one data region (index 1), unless more are begun, and the files
// of the image. Fill in, then write().
class ForgedImage {
 public:
  ForgedImage() {
    std::memcpy(header.common.magic, format::magic, sizeof(format::magic));
    header.common.header_length = sizeof(header);
    header.common.type = format::FileType::image;
    header.common.version_major = format::version_major;
    header.regions.id = {.data1 = 0x12345678, .data2 = 0x9ABC, .data3 = 0xDEF0, .data4 = {1}};
    filesystem.root_directory = 1;
    begin_region(RegionType::metadata);
    begin_region(RegionType::data);
  }

  // From now on, metadata or data goes to a new region file, of this type.
  void begin_region(RegionType type) {
    regions_.push_back({.set = header.regions.id,
                        .index = header.regions.count++,
                        .type = type,
                        .bytes = std::vector<std::byte>(first_object),
                        .objects = {}});
    (type == RegionType::metadata ? metadata_ : data_) = regions_.size() - 1;
  }

  // Makes what was added so far a parent, as a writer of the oldest version would have made it.
  void begin_region_set() {
    parents_.push_back(header.regions);
    header.parent_count = static_cast<std::uint16_t>(parents_.size());
    header.common.header_length += sizeof(format::RegionSet);
    ++header.regions.id.data1;
    header.regions.count = 0;
    begin_region(RegionType::metadata);
    begin_region(RegionType::data);
  }

  // Appends `object` to the metadata region, `misalignment` bytes past a multiple of 8.
  format::RegionOffset add_metadata(ByteView object, std::size_t misalignment = 0) {
    return add(metadata_, object, misalignment);
  }

  format::RegionOffset add_data(std::string_view text) {
    return add(data_, std::as_bytes(std::span(text)));
  }

  // A link table of `values`, as the stream of a directory.
  template <typename T>
  std::vector<std::byte> link_table(const std::vector<std::pair<std::u16string, T>>& entries) {
    format::LinkTableBuilder table(sizeof(T));
    for (const auto& [name, value] : entries) {
      table.add(name, std::as_bytes(std::span(&value, 1)));
    }
    return table.finish();
  }

  format::Stream directory(const std::vector<std::pair<std::u16string, FileId>>& entries) {
    const std::vector<std::byte> table = link_table(entries);
    return {.data = add_metadata(table),
            .length_and_type = table.size() | std::uint64_t{1} << format::stream_type_shift};
  }

  format::Stream file_data(std::string_view text) {
    return {.data = add_data(text), .length_and_type = text.size()};
  }

  // `text` in one piece, as an executable whose parts are where `mappings` say.
  format::Stream executable(std::string_view text, std::uint64_t length,
                            const std::vector<format::PeImageMapping>& mappings) {
    const format::PeImage image = {.data = add_data(text),
                                   .data_length = text.size(),
                                   .image_length = static_cast<std::uint32_t>(text.size()),
                                   .mapping_count = static_cast<std::uint16_t>(mappings.size()),
                                   .flags = format::pe_image_valid};
    std::vector<std::byte> object;
    format::append(object, format::bytes_of(image));
    format::append(object, std::as_bytes(std::span(mappings)));
    return {.data = add_metadata(object),
            .length_and_type = length | std::uint64_t{2} << format::stream_type_shift};
  }

  // The records of `depth` directories, each the only entry, `d`, of the one before; the last one's
  // entry is `end`.
  std::vector<format::File> directory_chain(FileId depth, FileId end) {
    std::vector<format::File> files(depth);
    for (FileId id = 1; id <= depth; ++id) {
      files[id - 1] = {.default_stream = directory({{u"d", id < depth ? id + 1 : end}}),
                       .parent = std::max<FileId>(id - 1, 1)};
    }
    return files;
  }

  // A name table: the names of a file, and the directory that has each.
  format::RegionOffset names(const std::vector<std::pair<std::u16string, FileId>>& names) {
    return add_metadata(link_table(names));
  }

  // The id of the `index`th file, from 0.
  FileId id(std::size_t index) const {
    return static_cast<FileId>(index / files_per_table * format::files_per_table +
                               index % files_per_table + 1);
  }

  // The bytes that a file record has in the version of the header.
  std::uint16_t record_size() const {
    if (header.common.version_major == 1) return offsetof(format::File, parent);
    if (header.common.version_major == 2) return offsetof(format::File, name_table);
    return sizeof(format::File);
  }

  std::string write(const std::string& directory, const std::vector<format::File>& files) {
    return write(directory, files, record_size());
  }

  // Writes everything into `directory` as `forged.cim`; `files` are the records of id(0), id(1), …
  // in tables of records of `entry_size` bytes. Returns the path.
  std::string write(const std::string& directory, const std::vector<format::File>& files,
                    std::uint16_t entry_size) {
    std::vector<format::FileTableDirectoryEntry> tables;
    std::span<const format::File> left = files;
    do {
      const auto part = left.first(std::min<std::size_t>(left.size(), files_per_table));
      tables.push_back(add_file_table(part, entry_size));
      left = left.subspan(part.size());
    } while (!left.empty());
    tables.resize(tables.size() + extra_file_tables, tables.back());
    filesystem.file_table_directory = add_metadata(std::as_bytes(std::span(tables)));
    filesystem.file_table_directory_length = static_cast<std::uint32_t>(tables.size());
    if (filesystem.upcase_table == 0) {
      filesystem.upcase_table =
          add_metadata(std::as_bytes(std::span(format::identity_upcase_table())));
    }
    header.filesystem = add_metadata(std::as_bytes(std::span(&filesystem, 1)));

    for (Region& region : regions_) {
      write_region(directory, region);
      if (object_ids != ObjectIdOrder::missing) write_object_ids(directory, region);
    }
    const std::string path = directory + "/forged.cim";
    std::ofstream file(path);
    put(file, format::bytes_of(header));
    put(file, std::as_bytes(std::span(parents_)));
    return path;
  }

  std::string region_path(const std::string& directory, std::uint16_t index) const {
    return directory + "/" + region_file_name(header.regions.id, index);
  }

  format::FilesystemHeader header = {};
  format::Filesystem filesystem = {};
  std::size_t extra_file_tables = 0;  // how many more times the last file table is listed
  std::size_t files_per_table = format::files_per_table;  // at most 1024

  enum class ObjectIdOrder { missing, sorted, reverse };
  ObjectIdOrder object_ids = ObjectIdOrder::missing;

 private:
  static constexpr std::size_t first_object = 64;  // after the header of a region file

  struct Region {
    format::Guid set;
    std::uint16_t index;
    RegionType type;
    std::vector<std::byte> bytes;
    std::vector<format::ObjectIdEntry> objects;
  };

  // Pads to the alignment of objects in a region of its type.
  static void pad(Region& region) {
    const std::size_t unit = region.type == RegionType::data ? format::page_size : 8;
    region.bytes.resize((region.bytes.size() + unit - 1) / unit * unit);
  }

  format::RegionOffset add(std::size_t index, ByteView object, std::size_t misalignment = 0) {
    Region& region = regions_[index];
    pad(region);
    const std::size_t offset = region.bytes.size() + misalignment;
    region.bytes.resize(offset);
    region.bytes.insert(region.bytes.end(), object.begin(), object.end());
    format::ObjectIdEntry& entry = region.objects.emplace_back(
        format::ObjectIdEntry{.length = object.size(), .digest = {}, .byte_offset = offset});
    std::ranges::copy(object_digest(object), entry.digest);
    return format::make_region_offset(static_cast<std::uint16_t>(index), offset);
  }

  // Bytes of records after the known fields are not zero.
  format::FileTableDirectoryEntry add_file_table(std::span<const format::File> files,
                                                 std::uint16_t entry_size) {
    std::vector<std::byte> table(files.size() * entry_size, std::byte{0xA5});
    for (std::size_t i = 0; i < files.size(); ++i) {
      std::memcpy(&table[i * entry_size], &files[i],
                  std::min<std::size_t>(entry_size, sizeof(format::File)));
    }
    return {.table = add_metadata(table),
            .count = static_cast<std::uint16_t>(files.size()),
            .entry_size = entry_size,
            .reserved = 0};
  }

  format::CommonHeader common_header(const Region& region, format::FileType type,
                                     std::uint32_t length) const {
    format::CommonHeader common = header.common;
    common.header_length = length;
    common.type = type;
    const bool is_own = std::memcmp(&region.set, &header.regions.id, sizeof(region.set)) == 0;
    if (!is_own) common.version_major = format::oldest_version_major;
    return common;
  }

  void write_region(const std::string& directory, Region& region) const {
    pad(region);
    format::RegionHeader start = {};
    start.common = common_header(region, format::FileType::region, sizeof(start));
    start.type = static_cast<std::uint8_t>(region.type);
    std::memcpy(region.bytes.data(), &start, sizeof(start));
    std::ofstream file(directory + "/" + region_file_name(region.set, region.index));
    put(file, region.bytes);
  }

  // The entries need not follow the header directly.
  void write_object_ids(const std::string& directory, Region& region) const {
    const std::vector<std::byte> gap(16);
    format::ObjectIdHeader start = {};
    start.common = common_header(region, format::FileType::object_id, sizeof(start));
    start.index = region.index;
    start.type = static_cast<std::uint8_t>(region.type);
    start.table_offset = static_cast<std::uint32_t>(sizeof(start) + gap.size());
    start.count = static_cast<std::uint32_t>(region.objects.size());
    std::ranges::sort(region.objects,
                      [](const auto& a, const auto& b) { return compare_object_ids(a, b) < 0; });
    if (object_ids == ObjectIdOrder::reverse) std::ranges::reverse(region.objects);
    std::ofstream file(directory + "/" + object_id_file_name(region.set, region.index));
    put(file, format::bytes_of(start));
    put(file, gap);
    put(file, std::as_bytes(std::span(region.objects)));
  }

  static void put(std::ofstream& file, ByteView bytes) {
    file.write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }

  std::vector<format::RegionSet> parents_;
  std::vector<Region> regions_;  // of all sets, by region index
  std::size_t metadata_ = 0;     // where metadata goes
  std::size_t data_ = 0;
};

}  // namespace cim::test
