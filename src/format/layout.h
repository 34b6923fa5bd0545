// The on-disk structures of a composite image, in the order in which a reader meets them. No other
// file knows an offset. docs/format.md describes them in prose.
//
// All integers are little-endian and all structures packed, so on the little-endian machines that
// we build for, a structure is copied from the image as it is. They are values: threads may share
// them while none changes them.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace cim::format {

static_assert(std::endian::native == std::endian::little,
              "on-disk structures are copied without byte swapping");

inline constexpr std::uint64_t page_size = 4096;
inline constexpr std::uint32_t files_per_table = 1024;
inline constexpr std::size_t upcase_entries = 65536;
inline constexpr std::size_t max_regions = 65536;
inline constexpr std::uint64_t max_byte_offset = (std::uint64_t{1} << 48) - 1;
inline constexpr std::uint64_t max_stream_length = (std::uint64_t{1} << 48) - 1;

// A region index (high 16 bits) and a byte offset in that region file (low 48 bits). 0: none.
using RegionOffset = std::uint64_t;

constexpr RegionOffset make_region_offset(std::uint16_t region, std::uint64_t byte_offset) {
  return std::uint64_t{region} << 48 | byte_offset;
}
constexpr std::uint16_t region_index(RegionOffset offset) {
  return static_cast<std::uint16_t>(offset >> 48);
}
constexpr std::uint64_t byte_offset(RegionOffset offset) { return offset & max_byte_offset; }

#pragma pack(push, 1)

struct Guid {
  std::uint32_t data1;
  std::uint16_t data2;
  std::uint16_t data3;
  std::uint8_t data4[8];
};
static_assert(sizeof(Guid) == 16);

inline constexpr char magic[8] = {'c', 'i', 'm', 'f', 'i', 'l', 'e', '0'};
inline constexpr std::uint32_t version_major = 3;  // what we write
inline constexpr std::uint32_t version_minor = 0;
inline constexpr std::uint32_t oldest_version_major = 1;  // that we read

enum class FileType : std::uint8_t { image = 0, region = 1, object_id = 2 };

// At offset 0 of every file.
struct CommonHeader {
  char magic[8];
  std::uint32_t header_length;  // of the whole header, this part included
  FileType type;
  std::uint8_t reserved;
  std::uint16_t reserved2;
  std::uint32_t version_major;
  std::uint32_t version_minor;
  std::uint64_t reserved3;
};
static_assert(sizeof(CommonHeader) == 32);
static_assert(offsetof(CommonHeader, type) == 12);
static_assert(offsetof(CommonHeader, version_major) == 16);

struct RegionSet {
  Guid id;
  std::uint16_t count;  // of region files
  std::uint16_t reserved;
  std::uint32_t reserved2;
};
static_assert(sizeof(RegionSet) == 24);

// The filesystem file, NAME.cim; followed by `parent_count` RegionSets.
struct FilesystemHeader {
  CommonHeader common;
  RegionSet regions;
  RegionOffset filesystem;
  std::uint32_t reserved;
  std::uint16_t reserved2;
  std::uint16_t parent_count;
};
static_assert(sizeof(FilesystemHeader) == 72);
static_assert(offsetof(FilesystemHeader, regions) == 32);
static_assert(offsetof(FilesystemHeader, filesystem) == 56);
static_assert(offsetof(FilesystemHeader, parent_count) == 70);

// A region file, region_<guid>_<index>.
struct RegionHeader {
  CommonHeader common;
  std::uint16_t reserved;  // not the index: Windows writes 0 in all files of a set
  std::uint8_t type;       // cim::RegionType
  std::uint8_t reserved2;
  std::uint32_t reserved3;
};
static_assert(sizeof(RegionHeader) == 40);
static_assert(offsetof(RegionHeader, type) == 34);

// An object id file, objectid_<guid>_<index>.
struct ObjectIdHeader {
  CommonHeader common;
  std::uint16_t index;
  std::uint8_t type;
  std::uint8_t reserved;
  std::uint32_t reserved2;
  std::uint32_t table_offset;
  std::uint32_t count;
};
static_assert(sizeof(ObjectIdHeader) == 48);
static_assert(offsetof(ObjectIdHeader, table_offset) == 40);

inline constexpr std::size_t digest_size = 24;

struct ObjectIdEntry {
  std::uint64_t length;
  std::uint8_t digest[digest_size];
  std::uint64_t byte_offset;  // in the region file of the same index
};
static_assert(sizeof(ObjectIdEntry) == 40);

// The root of the metadata.
struct Filesystem {
  RegionOffset upcase_table;  // upcase_entries x u16
  RegionOffset file_table_directory;
  std::uint32_t file_table_directory_length;  // entries
  std::uint32_t root_directory;               // FileId
};
static_assert(sizeof(Filesystem) == 24);

struct FileTableDirectoryEntry {
  RegionOffset table;
  std::uint16_t count;       // of files in the table
  std::uint16_t entry_size;  // bytes
  std::uint32_t reserved;
};
static_assert(sizeof(FileTableDirectoryEntry) == 16);

// Stream::length_and_type: low 48 bits length, then 8 bits cim::StreamType, then flags.
inline constexpr unsigned stream_type_shift = 48;
inline constexpr std::uint64_t stream_sparse = std::uint64_t{1} << 56;

struct Stream {
  RegionOffset data;
  std::uint64_t length_and_type;
};
static_assert(sizeof(Stream) == 16);

// File::flags.
inline constexpr std::uint16_t file_read_only = 1;
inline constexpr std::uint16_t file_hidden = 2;
inline constexpr std::uint16_t file_system = 4;
inline constexpr std::uint16_t file_archive = 8;
inline constexpr std::uint16_t file_sparse = 16;

// Version 1 ends before `parent`, version 2 before `name_table`.
struct File {
  std::uint16_t flags;
  std::uint16_t extended_attributes_length;
  std::uint32_t reparse_tag;
  std::int64_t creation_time;  // FILETIME, as the next three
  std::int64_t last_write_time;
  std::int64_t change_time;
  std::int64_t last_access_time;
  Stream default_stream;
  RegionOffset security_descriptor;  // u16 byte count, then the descriptor
  RegionOffset extended_attributes;  // FILE_FULL_EA_INFORMATION list without a count
  RegionOffset reparse_data;         // u16 byte count, then a REPARSE_DATA_BUFFER
  RegionOffset stream_table;         // link table of Streams
  std::uint32_t parent;              // FileId of the directory, or one of them
  std::uint16_t base_region_index;   // 0; what other values mean is not published
  std::uint16_t reserved;
  RegionOffset name_table;  // link table of FileIds: from each name to the directory that has it
};
static_assert(sizeof(File) == 104);
static_assert(offsetof(File, creation_time) == 8);
static_assert(offsetof(File, default_stream) == 40);
static_assert(offsetof(File, security_descriptor) == 56);
static_assert(offsetof(File, stream_table) == 80);
static_assert(offsetof(File, parent) == 88);
static_assert(offsetof(File, name_table) == 96);

// Followed by `count` values, `count` u32 offsets of names from the table's start, and the names,
// each a u16 number of units and those units.
struct LinkTableHeader {
  std::uint32_t length;  // bytes of the whole table, this header included
  std::uint32_t count;
};
static_assert(sizeof(LinkTableHeader) == 8);

// PeImage::flags. Windows sets it; what it means to Windows is not known.
inline constexpr std::uint16_t pe_image_valid = 1;

// A stream of type pe_image points at this; followed by `mapping_count` PeImageMappings. Byte x of
// the file is stored at `data` + x + the delta of the last mapping whose file offset is not past x.
struct PeImage {
  RegionOffset data;
  std::uint64_t data_length;   // bytes, those between the sections included
  std::uint32_t image_length;  // bytes of memory that the executable takes
  std::uint16_t mapping_count;
  std::uint16_t flags;
};
static_assert(sizeof(PeImage) == 24);

struct PeImageMapping {
  std::uint32_t file_offset;
  std::uint32_t delta;
};
static_assert(sizeof(PeImageMapping) == 8);

// One extended attribute; followed by the name, a NUL and the value. Entries are 4-byte aligned.
struct FullEaInformation {
  std::uint32_t next_entry_offset;  // from this entry's start; 0 in the last
  std::uint8_t flags;
  std::uint8_t name_length;
  std::uint16_t value_length;
};
static_assert(sizeof(FullEaInformation) == 8);

// Followed by `data_length` bytes.
struct ReparseDataBuffer {
  std::uint32_t tag;
  std::uint16_t data_length;
  std::uint16_t reserved;
};
static_assert(sizeof(ReparseDataBuffer) == 8);

#pragma pack(pop)

}  // namespace cim::format
