// What writers, checks and walks need of an image, beyond what readers see.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include <cim/image.h>

#include "format/layout.h"
#include "format/merge_marks.h"
#include "image/attribute_names.h"

namespace cim {

// A table of file records as it is stored.
struct FileTable {
  format::FileTableDirectoryEntry entry;
  ByteView records;  // entry.count records of entry.entry_size bytes; valid as long as the Image
};

// A name of a file.
struct FileName {
  std::u16string name;
  FileId directory;
};

// How an executable is stored.
struct PeImageObject {
  format::PeImage header;
  ByteView mappings;  // header.mapping_count PeImageMappings; valid as long as the Image
};

// A view of `image`, which must outlive it. May be used by many threads at once.
class ImageInternals {
 public:
  explicit ImageInternals(const Image& image) : image_(image) {}

  // The region sets that a child image lists as its parents, in order.
  std::vector<format::RegionSet> region_sets() const;

  // The number of region files in them: the index of the child's first own one.
  std::size_t region_count() const;

  // The bytes of all metadata regions; a region file that is listed twice counts once.
  std::uint64_t metadata_size() const;

  format::RegionOffset upcase_table() const;

  // The `length` bytes at `offset` of a metadata region. Throws Error (corrupt).
  ByteView metadata_object(format::RegionOffset offset, std::uint64_t length) const;

  std::uint32_t file_table_count() const;

  // The first id of the files that the image does not share with the one it was forked from: 1 if
  // it is not a fork, nothing if that is not known.
  std::optional<FileId> first_own_file() const;

  // The link counts that the image records, sorted by id; nothing if it records none. Throws Error
  // (corrupt).
  std::optional<std::vector<LinkCount>> recorded_link_counts() const;

  // The names of extended attributes that the image records or, if it records none, that its files
  // have; nothing if it has more than 262,144 files to look through, or is broken.
  std::optional<AttributeNames> attribute_names() const;

  // The names of `file`, each with the directory that has it; empty if the image does not record
  // them, as before version 3. Throws Error (corrupt).
  std::vector<FileName> names(const File& file) const;

  // The bytes of the table of alternate streams of `file`; 0 if it has none, or none that can be
  // read.
  std::uint64_t stream_table_size(const File& file) const;

  // What `stream`, of type pe_image, points at. Throws Error (corrupt).
  PeImageObject pe_image(const Stream& stream) const;

  // Table `index`, which holds the ids from index * files_per_table + 1. Throws Error (corrupt).
  FileTable file_table(std::uint32_t index) const;

 private:
  const Image& image_;
};

// The stored form of `stream`, and the reverse. decode_stream() throws Error (corrupt) for an
// unknown type.
format::Stream encode_stream(const Stream& stream) noexcept;
Stream decode_stream(const format::Stream& stream);

// What `file` says to images below its own. Throws Error (corrupt).
format::MarkedFile marked_file(const Image& image, const File& file);

// The record of `file`. Fields that a File does not hold (reserved ones) are zero.
format::File encode_file(const File& file) noexcept;

// This hidden alternate data stream of the root directory holds what the format has no place for,
// and what only a look at all files would tell: an ExtensionHeader, then the LinkCounts as
// Image::link_counts() has them, then the AttributeNames, if they are known.
inline constexpr std::u16string_view extension_stream = u"cimfs.extension";

// Valid only if the image's file table directory is at this offset: a writer that does not know the
// stream moves the directory and so invalidates it.
struct ExtensionHeader {
  format::RegionOffset file_table_directory;
  FileId first_own_file;  // the last fork made the files with ids from here on
  std::uint32_t link_counts;
};
static_assert(sizeof(ExtensionHeader) == 16);
static_assert(sizeof(LinkCount) == 8);

}  // namespace cim
