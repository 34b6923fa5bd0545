// Images put together by hand, to be as other writers' or as broken as a test needs.
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
#include "image/region.h"

namespace cim::test {

// One metadata region (index 0) and one data region (index 1), and the files of the image. Fill in,
// then write().
class ForgedImage {
 public:
  ForgedImage() : metadata_(64), data_(format::page_size) {
    std::memcpy(header.common.magic, format::magic, sizeof(format::magic));
    header.common.header_length = sizeof(header);
    header.common.type = format::FileType::image;
    header.common.version_major = format::version_major;
    header.regions = {.id = {.data1 = 0x12345678, .data2 = 0x9ABC, .data3 = 0xDEF0, .data4 = {1}},
                      .count = 2,
                      .reserved = 0,
                      .reserved2 = 0};
    filesystem.root_directory = 1;
  }

  // Appends `object` to the metadata region, `misalignment` bytes past a multiple of 8.
  format::RegionOffset add_metadata(ByteView object, std::size_t misalignment = 0) {
    metadata_.resize((metadata_.size() + 7) / 8 * 8 + misalignment);
    const std::size_t offset = metadata_.size();
    metadata_.insert(metadata_.end(), object.begin(), object.end());
    return format::make_region_offset(0, offset);
  }

  format::RegionOffset add_data(std::string_view text) {
    const std::size_t offset = data_.size();
    for (const char c : text) data_.push_back(static_cast<std::byte>(c));
    return format::make_region_offset(1, offset);
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

  // The records of `depth` directories, each the only entry, `d`, of the one before; that of the
  // last is `end`.
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

  // The bytes that a file record has in the version of the header.
  std::uint16_t record_size() const {
    if (header.common.version_major == 1) return offsetof(format::File, parent);
    if (header.common.version_major == 2) return offsetof(format::File, name_table);
    return sizeof(format::File);
  }

  std::string write(const std::string& directory, const std::vector<format::File>& files) {
    return write(directory, files, record_size());
  }

  // Writes everything into `directory` as `forged.cim`; `files` are the records of ids 1, 2, … in
  // tables of records of `entry_size` bytes. Returns the path.
  std::string write(const std::string& directory, const std::vector<format::File>& files,
                    std::uint16_t entry_size) {
    std::vector<format::FileTableDirectoryEntry> tables;
    std::span<const format::File> left = files;
    do {
      const auto part = left.first(std::min<std::size_t>(left.size(), format::files_per_table));
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

    write_region(directory, 0, RegionType::metadata, metadata_);
    write_region(directory, 1, RegionType::data, data_);
    const std::string path = directory + "/forged.cim";
    std::ofstream(path).write(reinterpret_cast<const char*>(&header), sizeof(header));
    return path;
  }

  // A tree with all that versions differ in, in version `major`: directories in directories, a file
  // with two names. Returns the path.
  //
  //   1 root: d, f    2 d: e, g    3 d/e: h    4 f = d/g    5 d/e/h
  std::string write_tree_of_version(const std::string& directory, std::uint32_t major) {
    header.common.version_major = major;
    const format::File records[] = {
        {.default_stream = this->directory({{u"d", 2}, {u"f", 4}}),
         .parent = 1,
         .name_table = names({{u".", 1}})},
        {.default_stream = this->directory({{u"e", 3}, {u"g", 4}}),
         .parent = 1,
         .name_table = names({{u"d", 1}})},
        {.default_stream = this->directory({{u"h", 5}}),
         .parent = 2,
         .name_table = names({{u"e", 2}})},
        {.default_stream = file_data("f"),
         .parent = 1,
         .name_table = names({{u"f", 1}, {u"g", 2}})},
        {.default_stream = file_data("h"), .parent = 3, .name_table = names({{u"h", 3}})}};
    return write(directory, {std::begin(records), std::end(records)});
  }

  std::string region_path(const std::string& directory, std::uint16_t index) const {
    return directory + "/" + region_file_name(header.regions.id, index);
  }

  format::FilesystemHeader header = {};
  format::Filesystem filesystem = {};
  std::size_t extra_file_tables = 0;  // how often the last file table is listed once more

 private:
  format::FileTableDirectoryEntry add_file_table(std::span<const format::File> files,
                                                 std::uint16_t entry_size) {
    std::vector<std::byte> table(files.size() * entry_size);
    for (std::size_t i = 0; i < files.size(); ++i) {
      std::memcpy(&table[i * entry_size], &files[i],
                  std::min<std::size_t>(entry_size, sizeof(format::File)));
    }
    return {.table = add_metadata(table),
            .count = static_cast<std::uint16_t>(files.size()),
            .entry_size = entry_size,
            .reserved = 0};
  }

  void write_region(const std::string& directory, std::uint16_t index, RegionType type,
                    std::vector<std::byte>& bytes) {
    format::RegionHeader region = {};
    region.common = header.common;
    region.common.header_length = sizeof(region);
    region.common.type = format::FileType::region;
    region.type = static_cast<std::uint8_t>(type);
    std::memcpy(bytes.data(), &region, sizeof(region));
    std::ofstream(region_path(directory, index))
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }

  std::vector<std::byte> metadata_;
  std::vector<std::byte> data_;
};

}  // namespace cim::test
