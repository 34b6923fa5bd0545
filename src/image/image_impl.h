// What is inside an Image, for the files of this folder that implement it.
#pragma once

#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <cim/image.h>
#include <fmt/format.h>

#include "format/bytes.h"
#include "format/layout.h"
#include "format/link_table.h"
#include "image/attribute_names.h"
#include "image/internals.h"
#include "image/region.h"

namespace cim {

// What a walk through all directories finds.
struct Walk {
  std::vector<LinkCount> link_counts;  // those that differ from the usual ones, sorted by id
  std::vector<FileId> parents;         // by id: a directory that has the file; 0 if none does
};

struct Image::Impl {
  std::string path;
  FilesystemFile header;
  std::vector<Region> regions;  // by region index
  format::Filesystem filesystem;
  ByteView file_tables;                    // the file table directory
  std::vector<char16_t> unaligned_upcase;  // a copy, if the table cannot be used in place
  std::span<const char16_t> upcase;
  FileId file_id_limit = 0;

  // What only a look at all files tells (survey.cpp); filled in when first asked for.
  mutable std::once_flag link_counts_once;
  mutable std::vector<LinkCount> link_counts;
  mutable std::once_flag walk_once;
  mutable Walk walk;

  // Returns `action()`; if it throws an Error, adds the image to that.
  template <typename Action>
  auto about_image(Action&& action) const {
    try {
      return action();
    } catch (const Error& error) {
      throw error.with_image(path);
    }
  }

  // Returns `decode()`; if it throws an Error, adds the image and `object` to that.
  template <typename Decode, typename... Parts>
  auto within(Decode&& decode, fmt::format_string<Parts...> object, Parts... parts) const {
    try {
      return decode();
    } catch (const Error& error) {
      throw error.with_object(fmt::format(object, std::forward<Parts>(parts)...)).with_image(path);
    }
  }

  const Region& region(format::RegionOffset offset) const {
    const std::uint16_t index = format::region_index(offset);
    if (index >= regions.size() || format::byte_offset(offset) == 0) {
      throw Error(Errc::corrupt, fmt::format("region offset {:#x} is not in any of {} regions",
                                             offset, regions.size()));
    }
    return regions[index];
  }

  // All bytes of the metadata region from `offset` on.
  ByteView metadata_from(format::RegionOffset offset) const {
    const Region& home = region(offset);
    if (home.type != RegionType::metadata) {
      throw Error(Errc::corrupt,
                  fmt::format("region offset {:#x} is not in a metadata region", offset));
    }
    const std::uint64_t start = format::byte_offset(offset);
    if (start > home.size) {
      throw Error(Errc::corrupt,
                  fmt::format("region offset {:#x} is past the end of its region", offset));
    }
    return home.mapping.bytes().subspan(start);
  }

  ByteView counted_object(format::RegionOffset offset) const {
    const ByteView bytes = metadata_from(offset);
    const auto count = format::load<std::uint16_t>(bytes, 0, "byte count");
    return format::slice(bytes, sizeof(count), count, "object");
  }

  const Region& region_of_own_metadata() const noexcept {
    return regions[format::region_index(header.filesystem)];  // open_filesystem() has checked it
  }

  // `length` bytes at `position` of the region file `home`.
  static Extent extent_in(const Region& home, std::uint64_t position, std::uint64_t length) {
    if (home.fd) return {.fd = home.fd.get(), .position = position, .length = length};
    return {.length = length, .bytes = home.mapping.bytes().data() + position};
  }

  [[noreturn]] void throw_truncated() const {
    throw Error(Errc::io_error, "a region file has become shorter").with_image(path);
  }

  void open(const std::string& image_path);
  void open_regions();
  void open_filesystem();

  format::FileTableDirectoryEntry file_table_entry(std::uint32_t table) const {
    return format::load<format::FileTableDirectoryEntry>(
        file_tables, std::uint64_t{table} * sizeof(format::FileTableDirectoryEntry),
        "file table directory entry");
  }

  std::uint64_t metadata_size() const;
  void prove_file_tables() const;
  FileTable file_table(std::uint32_t table) const;
  File file(FileId id) const;
  format::LinkTable link_table(const File& directory) const;
  format::LinkTable stream_table(const File& file) const;
  PeImageObject pe_image(const Stream& stream) const;
  Extent pe_extent(const Stream& stream, std::uint64_t offset, std::uint64_t length) const;

  format::LinkTable name_table(const File& file) const;

  // extension.cpp
  bool is_extension(const File& file, const format::LinkTable& streams, std::uint32_t index) const;
  std::optional<Stream> find_extension() const;
  std::optional<ExtensionHeader> read_extension(const Image& image, Stream& stream) const;
  std::optional<std::vector<LinkCount>> recorded_link_counts(const Image& image) const;
  std::optional<AttributeNames> recorded_attribute_names(const Image& image) const;

  // survey.cpp
  template <typename Visit>
  void for_each_record(Visit&& visit) const;
  bool has_name_tables() const;
  FileId directory_by_name_table(const File& file) const;
  std::optional<std::vector<LinkCount>> counted_subdirectories() const;
  const Walk& walked(const Image& image) const;
  Walk walk_all(const Image& image) const;
  const std::vector<LinkCount>& all_link_counts(const Image& image) const;
  AttributeNames collected_attribute_names(const Image& image) const;
};

}  // namespace cim
