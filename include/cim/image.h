// Reading composite images. Everything but Image is a value: threads may share it while none
// changes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <cim/error.h>
#include <cim/metadata.h>
#include <cim/name.h>

namespace cim {

// Identifies a file within an image; hard links share it. Starts at 1.
using FileId = std::uint32_t;

enum class StreamType : std::uint8_t {
  data = 0,        // one contiguous extent
  link_table = 1,  // the entries of a directory
  pe_image = 2,    // an executable whose sections Windows has aligned to pages
};

// Where the bytes of a stream are. A value; keep as many as you like.
struct Stream {
  std::uint64_t region_offset = 0;  // region index << 48 | byte offset in that region file; 0: none
  std::uint64_t length = 0;         // bytes
  StreamType type = StreamType::data;
  bool sparse = false;  // all zeros, without data
};

// One file, directory or reparse point of an image, decoded from its record. A value.
struct File {
  FileId id = 0;
  std::uint32_t attributes = 0;  // FILE_ATTRIBUTE_*, `directory` and `reparse_point` included
  std::uint32_t reparse_tag = 0;
  std::int64_t creation_time = 0;  // FILETIME: 100 ns since 1601-01-01 UTC
  std::int64_t last_write_time = 0;
  std::int64_t change_time = 0;
  std::int64_t last_access_time = 0;
  Stream stream = {};                            // the file's data, or the directory's entries
  std::uint64_t security_descriptor_offset = 0;  // region offsets; equal ones mean equal objects
  std::uint64_t extended_attributes_offset = 0;
  std::uint64_t reparse_data_offset = 0;
  std::uint64_t stream_table_offset = 0;
  std::uint64_t name_table_offset = 0;  // 0 before version 3
  std::uint16_t extended_attributes_length = 0;
  FileId parent = 0;  // the directory that holds it, or one of them; 0 in version 1

  bool is_directory() const noexcept { return stream.type == StreamType::link_table; }
};

// A name read from an image. It has room for any name and does not allocate.
class EntryName {
 public:
  std::u16string_view view() const noexcept { return {units_, size_}; }

 private:
  friend class Image;
  std::uint16_t size_ = 0;
  char16_t units_[max_name_units];  // NOLINT: only the first size_ units are ever read
};

// The entries of a directory, sorted by name in the image's order. Valid as long as its Image.
class Directory {
 public:
  std::uint32_t size() const noexcept { return count_; }

 private:
  friend class Image;
  ByteView table_;
  std::uint32_t count_ = 0;
  std::uint64_t region_offset_ = 0;
};

// A named (alternate data) stream of a file.
struct NamedStream {
  std::u16string name = {};
  Stream stream = {};
};

// A contiguous part of a stream: `length` bytes at `position` of the file `fd`. If `fd` is -1, the
// bytes are at `bytes`, or, if that is null, all zero. The Image owns the descriptor and the
// memory.
struct Extent {
  int fd = -1;
  std::uint64_t position = 0;
  std::uint64_t length = 0;
  const std::byte* bytes = nullptr;
};

// An st_nlink that differs from the usual one (1 for a file, 2 for a directory).
struct LinkCount {
  FileId id = 0;
  std::uint32_t count = 0;
};

// What a region file holds.
enum class RegionType : std::uint8_t { metadata = 0, data = 1, small_data = 2 };

struct RegionInfo {
  std::string path = {};
  RegionType type = RegionType::metadata;
  std::uint64_t size = 0;  // bytes
};

// A set of region files that were committed together.
struct RegionSetInfo {
  std::string id = {};  // GUID: lower-case, dashes, no braces
  std::vector<RegionInfo> regions = {};
};

// An image opened for reading.
//
// Metadata is mapped, not parsed: opening takes the same time whatever the image's size. The image
// is not trusted: if what a function needs breaks the format, it throws Error (corrupt) with a
// message that names the image, the object and the reason.
//
// The region files are opened at construction and stay open or mapped, so replacing or removing the
// image does no harm. The Image keeps descriptors for the largest region files with data, up to a
// quarter of the process's limit (RLIMIT_NOFILE). All functions but the constructor, the move
// operations and the destructor may be called from many threads at once.
class CIM_API Image {
 public:
  // Opens the image whose filesystem file is `path`. Symbolic links are followed; the region files
  // are next to the file that they lead to. Throws Error: file_not_found (the file, or a region
  // file that it needs), access_denied, corrupt, version_not_supported (a major version other than
  // 1, 2 and 3).
  explicit Image(const std::string& path);
  Image(Image&& other) noexcept;
  Image& operator=(Image&& other) noexcept;
  ~Image();

  const std::string& path() const noexcept;  // as given to the constructor

  // The region sets, in the order of their region indexes: those of its parents, then its own.
  std::vector<RegionSetInfo> region_sets() const;

  std::uint32_t version_major() const noexcept;
  std::uint32_t version_minor() const noexcept;

  // Whether names that differ only by case are different names, that is, whether the image's upcase
  // table is the identity.
  bool case_sensitive() const;

  // The image's upcase table: 65,536 entries, the upper case of each UTF-16 code unit.
  std::span<const char16_t> upcase_table() const noexcept;

  // The number of file ids that the image's file tables hold; every FileId is at most this. Some
  // may be unused.
  FileId file_id_limit() const noexcept;

  FileId root() const noexcept;

  // Decodes the record of `id`. Throws Error (corrupt) if there is no such record.
  File file(FileId id) const;

  // The id of the entry `name` of `directory`, under the image's upcase table; nothing if there is
  // none. Does not allocate. Throws Error (not_a_directory).
  std::optional<FileId> find(const File& directory, std::u16string_view name) const;

  // The id of the file at `path` (see cim/name.h); nothing if there is none. Reparse points are
  // not followed.
  std::optional<FileId> resolve(std::u16string_view path) const;

  // The entries of `directory`. Throws Error (not_a_directory).
  Directory entries(const File& directory) const;

  // Reads entry `index` (below directory.size()): stores its name in `name`, returns its id. Does
  // not allocate.
  FileId entry(const Directory& directory, std::uint32_t index, EntryName& name) const;

  // The metadata of `file`; the buffers are valid as long as this Image.
  Metadata metadata(const File& file) const;

  // Parts of the metadata; empty if `file` has none. Valid as long as this Image.
  ByteView security_descriptor(const File& file) const;
  ByteView extended_attributes(const File& file) const;  // not checked for syntax
  ByteView reparse_data(const File& file) const;         // not checked for syntax

  // The alternate data streams of `file`, sorted by name in the image's order.
  std::vector<NamedStream> named_streams(const File& file) const;

  // The alternate data stream `name` of `file`; nothing if there is none. Reads no other stream and
  // does not allocate.
  std::optional<Stream> find_named_stream(const File& file, std::u16string_view name) const;

  // The index of that stream in the file's table, below 2^32 - 1, for named_stream(); nothing if
  // there is no such stream.
  std::optional<std::uint32_t> find_named_stream_index(const File& file,
                                                       std::u16string_view name) const;

  // The alternate data stream at `index` in the table of `file`. Throws Error (file_not_found) if
  // there is none.
  Stream named_stream(const File& file, std::uint32_t index) const;

  // st_nlink of `file`: for a file, the number of its names; for a directory, two more than the
  // number of its subdirectories. Files of version 3 record their names. Unless the image records
  // the other counts too, the first call finds them: it reads all file records and, before version
  // 3, all directories.
  std::uint32_t link_count(const File& file) const;

  // The link counts that differ from the usual ones, sorted by id: those of all directories, and of
  // the files that do not record their names.
  std::span<const LinkCount> link_counts() const;

  // A directory that holds `file`; for the root, the root; 0 if none holds it. Files of version 1
  // do not record it, so the first call walks all directories.
  FileId parent(const File& file) const;

  // The ids, sorted, of the files that the last fork added, and of the directories that lead to
  // them; of all files if the image is not a fork. A directory of the parent that the fork created
  // again counts as the parent's. Throws Error (unsupported) for a fork made by another writer.
  std::vector<FileId> files_of_last_fork() const;

  // Reads up to out.size() bytes of `stream` from `offset`. Returns the number of bytes read,
  // which is less than asked for only at the end of the stream. Throws Error: is_a_directory for a
  // link table, io_error.
  std::size_t read(const Stream& stream, std::uint64_t offset, std::span<std::byte> out) const;

  // Call this before reading most of the image's metadata. It starts reading up to 32 MiB of the
  // newest metadata into memory and turns on read-ahead, so that a walk does not wait for one page
  // after another. Before the call pages are read one by one, which suits a look at a few files.
  // Returns at once (madvise(2)).
  void read_metadata_ahead() const noexcept;

  // The extent of `stream` that starts at `offset`, at most `length` bytes long; its length is 0 at
  // or past the end of the stream. Does not allocate. Throws Error: is_a_directory for a link
  // table, corrupt.
  Extent extent(const Stream& stream, std::uint64_t offset, std::uint64_t length) const;

  // Whether seek() may find holes: false if the region file of `stream` had blocks for its whole
  // size when the image was opened. Makes no system call.
  bool may_have_holes(const Stream& stream) const noexcept;

  // The first offset at or after `offset` where `stream` has data (`data` true) or a hole (false),
  // as lseek(2) with SEEK_DATA and SEEK_HOLE; the end of the stream counts as a hole. Nothing if
  // there is no data up to the end, or `offset` is at or past the end.
  std::optional<std::uint64_t> seek(const Stream& stream, std::uint64_t offset, bool data) const;

 private:
  friend class ImageInternals;
  struct CIM_HIDDEN Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace cim
