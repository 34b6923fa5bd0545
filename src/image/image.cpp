// The Image class: decoding of metadata objects and reading of streams.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>

#include <cim/image.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include "format/guid.h"
#include "format/pe_layout.h"
#include "format/upcase.h"
#include "image/file_io.h"
#include "image/image_impl.h"

namespace cim {

namespace {

constexpr std::uint16_t min_file_entry_size = offsetof(format::File, security_descriptor);

struct Flag {
  std::uint16_t file;
  std::uint32_t attribute;
};
constexpr std::array file_flags = {
    Flag{format::file_read_only, attribute::read_only},
    Flag{format::file_hidden, attribute::hidden},
    Flag{format::file_system, attribute::system},
    Flag{format::file_archive, attribute::archive},
    Flag{format::file_sparse, attribute::sparse_file},
};

// The most descriptors that an image keeps. The rest is for other images and whatever else the
// process does.
std::size_t descriptor_share() noexcept {
  constexpr rlim_t share = 4;
  rlimit limit = {};
  getrlimit(RLIMIT_NOFILE, &limit);
  return limit.rlim_cur / share;
}

File decode_file(FileId id, const format::File& record) {
  if (record.base_region_index != 0) {
    throw Error(Errc::unsupported, fmt::format("is a file of a merged image, with base region {}",
                                               record.base_region_index));
  }
  File file = {
      .id = id,
      .attributes = 0,
      .reparse_tag = record.reparse_tag,
      .creation_time = record.creation_time,
      .last_write_time = record.last_write_time,
      .change_time = record.change_time,
      .last_access_time = record.last_access_time,
      .stream = decode_stream(record.default_stream),
      .security_descriptor_offset = record.security_descriptor,
      .extended_attributes_offset = record.extended_attributes,
      .reparse_data_offset = record.reparse_data,
      .stream_table_offset = record.stream_table,
      .name_table_offset = record.name_table,
      .extended_attributes_length = record.extended_attributes_length,
      .parent = record.parent,
  };
  for (const Flag& flag : file_flags) {
    if (record.flags & flag.file) file.attributes |= flag.attribute;
  }
  if (file.is_directory()) file.attributes |= attribute::directory;
  if (file.reparse_data_offset != 0) file.attributes |= attribute::reparse_point;
  return file;
}

}  // namespace

Stream decode_stream(const format::Stream& stream) {
  const auto type = static_cast<std::uint8_t>(stream.length_and_type >> format::stream_type_shift);
  if (type > static_cast<std::uint8_t>(StreamType::pe_image)) {
    throw Error(Errc::corrupt, fmt::format("unknown stream type {}", type));
  }
  return {
      .region_offset = stream.data,
      .length = stream.length_and_type & format::max_stream_length,
      .type = static_cast<StreamType>(type),
      .sparse = (stream.length_and_type & format::stream_sparse) != 0,
  };
}

format::Stream encode_stream(const Stream& stream) noexcept {
  return {
      .data = stream.region_offset,
      .length_and_type = stream.length |
                         std::uint64_t{static_cast<std::uint8_t>(stream.type)}
                             << format::stream_type_shift |
                         (stream.sparse ? format::stream_sparse : 0),
  };
}

format::MarkedFile marked_file(const Image& image, const File& file) {
  return {file.reparse_tag, image.extended_attributes(file)};
}

format::File encode_file(const File& file) noexcept {
  format::File record = {};
  for (const Flag& flag : file_flags) {
    if (file.attributes & flag.attribute) record.flags |= flag.file;
  }
  record.extended_attributes_length = file.extended_attributes_length;
  record.reparse_tag = file.reparse_tag;
  record.creation_time = file.creation_time;
  record.last_write_time = file.last_write_time;
  record.change_time = file.change_time;
  record.last_access_time = file.last_access_time;
  record.default_stream = encode_stream(file.stream);
  record.security_descriptor = file.security_descriptor_offset;
  record.extended_attributes = file.extended_attributes_offset;
  record.reparse_data = file.reparse_data_offset;
  record.stream_table = file.stream_table_offset;
  record.parent = file.parent;
  record.name_table = file.name_table_offset;
  return record;
}

void Image::Impl::open(const std::string& image_path) {
  path = image_path;
  about_image([this] {
    const FileDescriptor fd = open_regular_file(AT_FDCWD, path, path);
    header = read_filesystem_file(fd.get(), path);
  });
  open_regions();
  // Readers first look at a few objects that are far apart. Some disks are set to read megabytes
  // around each, which could take longer than the rest of a mount.
  for (const Region& region : regions) {
    if (region.type == RegionType::metadata) region.mapping.read_pages_alone();
  }
  within([this] { open_filesystem(); }, "filesystem");
  if (!file(filesystem.root_directory).is_directory()) {
    throw Error(Errc::corrupt, "the root is not a directory").with_image(path);
  }
}

// A chain of forks can have more region files than a process may have descriptors. Metadata is read
// from mappings anyway. Data that has a descriptor need not be copied and keeps its holes, so the
// largest files gain most.
void Image::Impl::open_regions() {
  const std::size_t max_descriptors = descriptor_share();
  std::set<std::pair<std::uint64_t, std::size_t>> open_data;  // sizes and indices
  const std::string directory = directory_of(path);
  const FileDescriptor directory_fd(::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory_fd) throw system_error(errno, directory).with_image(path);
  for (const format::RegionSet& set : header.sets) {
    for (std::uint16_t i = 0; i < set.count; ++i) {
      about_image([&] {
        regions.push_back(open_region(directory_fd.get(), directory, set, i));
        Region& region = regions.back();
        if (region.type == RegionType::metadata) return region.close();
        open_data.emplace(region.size, regions.size() - 1);
      });
      if (open_data.size() <= max_descriptors) continue;
      regions[open_data.begin()->second].close();
      open_data.erase(open_data.begin());
    }
  }
}

void Image::Impl::open_filesystem() {
  filesystem = format::load<format::Filesystem>(metadata_from(header.filesystem), 0, "object");
  file_tables = format::slice(metadata_from(filesystem.file_table_directory), 0,
                              std::uint64_t{filesystem.file_table_directory_length} *
                                  sizeof(format::FileTableDirectoryEntry),
                              "file table directory");
  const ByteView table = format::slice(metadata_from(filesystem.upcase_table), 0,
                                       format::upcase_entries * sizeof(char16_t), "upcase table");
  if (reinterpret_cast<std::uintptr_t>(table.data()) % alignof(char16_t) == 0) {
    upcase = {reinterpret_cast<const char16_t*>(table.data()), format::upcase_entries};
  } else {
    unaligned_upcase.resize(format::upcase_entries);
    std::memcpy(unaligned_upcase.data(), table.data(), table.size());
    upcase = unaligned_upcase;
  }
  const std::uint32_t tables = filesystem.file_table_directory_length;
  if (tables == 0) throw Error(Errc::corrupt, "no file tables");
  const std::uint64_t limit =
      std::uint64_t{tables - 1} * format::files_per_table + file_table_entry(tables - 1).count;
  if (limit > UINT32_MAX) throw Error(Errc::corrupt, "more file tables than file ids");
  prove_file_tables();
  file_id_limit = static_cast<FileId>(limit);
}

std::uint64_t Image::Impl::metadata_size() const {
  std::set<std::string_view> counted;
  std::uint64_t size = 0;
  for (const Region& each : regions) {
    if (each.type == RegionType::metadata && counted.insert(each.path).second) size += each.size;
  }
  return size;
}

// Bounds the work and memory for all file ids by the size of the image.
void Image::Impl::prove_file_tables() const {
  std::uint64_t records = 0;
  for (std::uint32_t table = 0; table < filesystem.file_table_directory_length; ++table) {
    const format::FileTableDirectoryEntry entry = file_table_entry(table);
    records += std::uint64_t{entry.count} * entry.entry_size;
  }
  if (records > metadata_size()) {
    throw Error(Errc::corrupt,
                "file tables overlap: they claim more records than the metadata can hold");
  }
}

FileTable Image::Impl::file_table(std::uint32_t table) const {
  const format::FileTableDirectoryEntry entry = file_table_entry(table);
  if (entry.entry_size < min_file_entry_size) {
    throw Error(Errc::corrupt,
                fmt::format("file table {} has records of {} bytes", table, entry.entry_size));
  }
  return {entry, format::slice(metadata_from(entry.table), 0,
                               std::uint64_t{entry.count} * entry.entry_size, "file table")};
}

File Image::Impl::file(FileId id) const {
  return within(
      [&] {
        if (id == 0 || id > file_id_limit) {
          throw Error(Errc::corrupt, fmt::format("no such file; the last is {}", file_id_limit));
        }
        const FileTable table = file_table((id - 1) / format::files_per_table);
        const std::uint32_t slot = (id - 1) % format::files_per_table;
        if (slot >= table.entry.count) {
          throw Error(Errc::corrupt, fmt::format("its table has only {} files", table.entry.count));
        }
        format::File record = {};
        std::memcpy(&record, table.records.data() + std::size_t{slot} * table.entry.entry_size,
                    std::min<std::size_t>(sizeof(record), table.entry.entry_size));
        return decode_file(id, record);
      },
      "file {}", id);
}

format::LinkTable Image::Impl::link_table(const File& directory) const {
  if (!directory.is_directory()) {
    throw Error(Errc::not_a_directory, "not a directory")
        .with_image(path)
        .with_object(fmt::format("file {}", directory.id));
  }
  const Stream& stream = directory.stream;
  if (stream.length == 0 || stream.region_offset == 0) return {};
  return within(
      [&] {
        return format::LinkTable(
            format::slice(metadata_from(stream.region_offset), 0, stream.length, "link table"),
            sizeof(FileId));
      },
      "directory {}", directory.id);
}

format::LinkTable Image::Impl::stream_table(const File& file) const {
  if (file.stream_table_offset == 0) return {};
  return within(
      [&] {
        ByteView bytes = metadata_from(file.stream_table_offset);
        // The published reader expects the table's length a second time in front of it. In the
        // plain form the second word is the number of entries, which is always less than the
        // length.
        const auto first = format::load<std::uint32_t>(bytes, 0, "length");
        const auto second = format::load<std::uint32_t>(bytes, sizeof(first), "entry count");
        if (first == second) bytes = bytes.subspan(sizeof(first));
        return format::LinkTable(bytes, sizeof(format::Stream));
      },
      "alternate streams of file {}", file.id);
}

format::LinkTable Image::Impl::name_table(const File& file) const {
  if (file.name_table_offset == 0) return {};
  return within(
      [&] { return format::LinkTable(metadata_from(file.name_table_offset), sizeof(FileId)); },
      "names of file {}", file.id);
}

Image::Image(const std::string& path) : impl_(std::make_unique<Impl>()) { impl_->open(path); }
Image::Image(Image&& other) noexcept = default;
Image& Image::operator=(Image&& other) noexcept = default;
Image::~Image() = default;

const std::string& Image::path() const noexcept { return impl_->path; }

std::vector<RegionSetInfo> Image::region_sets() const {
  std::vector<RegionSetInfo> sets;
  auto region = impl_->regions.begin();
  for (const format::RegionSet& set : impl_->header.sets) {
    RegionSetInfo& info = sets.emplace_back(RegionSetInfo{format::to_string(set.id), {}});
    for (std::uint16_t i = 0; i < set.count; ++i, ++region) {
      info.regions.push_back({region->path, region->type, region->size});
    }
  }
  return sets;
}

std::uint32_t Image::version_major() const noexcept { return impl_->header.version_major; }
std::uint32_t Image::version_minor() const noexcept { return impl_->header.version_minor; }

bool Image::case_sensitive() const {
  return std::ranges::equal(impl_->upcase, format::identity_upcase_table());
}

std::span<const char16_t> Image::upcase_table() const noexcept { return impl_->upcase; }
FileId Image::file_id_limit() const noexcept { return impl_->file_id_limit; }
FileId Image::root() const noexcept { return impl_->filesystem.root_directory; }
File Image::file(FileId id) const { return impl_->file(id); }

std::optional<FileId> Image::find(const File& directory, std::u16string_view name) const {
  const format::LinkTable table = impl_->link_table(directory);
  return impl_->within(
      [&]() -> std::optional<FileId> {
        const std::optional<std::uint32_t> index = table.find(name, impl_->upcase);
        if (!index) return std::nullopt;
        return table.value<FileId>(*index);
      },
      "directory {}", directory.id);
}

std::optional<FileId> Image::resolve(std::u16string_view path) const {
  FileId id = root();
  while (!path.empty()) {
    const std::size_t end = std::min(path.find(u'\\'), path.size());
    const File directory = file(id);
    if (!directory.is_directory()) return std::nullopt;
    const std::optional<FileId> child = find(directory, path.substr(0, end));
    if (!child) return std::nullopt;
    id = *child;
    path.remove_prefix(std::min(end + 1, path.size()));
  }
  return id;
}

Directory Image::entries(const File& directory) const {
  Directory result;
  result.count_ = impl_->link_table(directory).size();
  if (result.count_ == 0) return result;
  result.table_ = impl_->metadata_from(directory.stream.region_offset)
                      .first(static_cast<std::size_t>(directory.stream.length));
  result.region_offset_ = directory.stream.region_offset;
  return result;
}

FileId Image::entry(const Directory& directory, std::uint32_t index, EntryName& name) const {
  return impl_->within(
      [&] {
        const format::LinkTable table(directory.table_, sizeof(FileId));
        name.size_ = static_cast<std::uint16_t>(table.name(index, name.units_));
        return table.value<FileId>(index);
      },
      "directory at {:#x}, entry {}", directory.region_offset_, index);
}

Metadata Image::metadata(const File& file) const {
  return {
      .attributes = file.attributes,
      .creation_time = file.creation_time,
      .last_write_time = file.last_write_time,
      .change_time = file.change_time,
      .last_access_time = file.last_access_time,
      .security_descriptor = security_descriptor(file),
      .reparse_data = reparse_data(file),
      .extended_attributes = extended_attributes(file),
  };
}

ByteView Image::security_descriptor(const File& file) const {
  if (file.security_descriptor_offset == 0) return {};
  return impl_->within([&] { return impl_->counted_object(file.security_descriptor_offset); },
                       "security descriptor of file {}", file.id);
}

ByteView Image::reparse_data(const File& file) const {
  if (file.reparse_data_offset == 0) return {};
  return impl_->within([&] { return impl_->counted_object(file.reparse_data_offset); },
                       "reparse data of file {}", file.id);
}

ByteView Image::extended_attributes(const File& file) const {
  if (file.extended_attributes_offset == 0 || file.extended_attributes_length == 0) return {};
  return impl_->within(
      [&] {
        return format::slice(impl_->metadata_from(file.extended_attributes_offset), 0,
                             file.extended_attributes_length, "list");
      },
      "extended attributes of file {}", file.id);
}

std::vector<NamedStream> Image::named_streams(const File& file) const {
  const format::LinkTable table = impl_->stream_table(file);
  return impl_->within(
      [&] {
        std::vector<NamedStream> streams;
        format::NameBudget budget(table, sizeof(format::Stream));
        EntryName name;
        for (std::uint32_t i = 0; i < table.size(); ++i) {
          name.size_ = static_cast<std::uint16_t>(table.name(i, name.units_));
          budget.add_entry(name.view().size());
          if (file.id == root() && name.view() == extension_stream) continue;
          streams.push_back(
              {std::u16string(name.view()), decode_stream(table.value<format::Stream>(i))});
        }
        return streams;
      },
      "alternate streams of file {}", file.id);
}

std::optional<std::uint32_t> Image::find_named_stream_index(const File& file,
                                                            std::u16string_view name) const {
  const format::LinkTable table = impl_->stream_table(file);
  return impl_->within(
      [&]() -> std::optional<std::uint32_t> {
        const std::optional<std::uint32_t> index = table.find(name, impl_->upcase);
        if (!index || impl_->is_extension(file, table, *index)) return std::nullopt;
        return index;
      },
      "alternate streams of file {}", file.id);
}

Stream Image::named_stream(const File& file, std::uint32_t index) const {
  const format::LinkTable table = impl_->stream_table(file);
  return impl_->within(
      [&] {
        if (index >= table.size() || impl_->is_extension(file, table, index)) {
          throw Error(Errc::file_not_found, fmt::format("there is none at {}", index));
        }
        return decode_stream(table.value<format::Stream>(index));
      },
      "alternate streams of file {}", file.id);
}

std::optional<Stream> Image::find_named_stream(const File& file, std::u16string_view name) const {
  const std::optional<std::uint32_t> index = find_named_stream_index(file, name);
  if (!index) return std::nullopt;
  return named_stream(file, *index);
}

std::size_t Image::read(const Stream& stream, std::uint64_t offset,
                        std::span<std::byte> out) const {
  std::size_t done = 0;
  while (done < out.size()) {
    const Extent part = extent(stream, offset + done, out.size() - done);
    if (part.length == 0) break;
    std::byte* const target = out.data() + done;
    if (part.bytes != nullptr) {
      std::memcpy(target, part.bytes, part.length);
    } else if (part.fd < 0) {
      std::memset(target, 0, part.length);
    } else {
      const std::size_t read = impl_->about_image(
          [&] { return read_at(part.fd, target, part.length, part.position, path()); });
      if (read < part.length) impl_->throw_truncated();
    }
    done += part.length;
  }
  return done;
}

void Image::read_metadata_ahead() const noexcept {
  // Metadata of a few hundred thousand files, which a disk reads in the time of a few seeks.
  constexpr std::size_t length = 32 << 20;
  for (const Region& region : impl_->regions) {
    if (region.type == RegionType::metadata) region.mapping.read_pages_around();
  }
  impl_->region_of_own_metadata().mapping.read_ahead(length);
}

Extent Image::extent(const Stream& stream, std::uint64_t offset, std::uint64_t length) const {
  if (stream.type == StreamType::link_table) {
    throw Error(Errc::is_a_directory, "a directory has no data to read").with_image(path());
  }
  if (offset >= stream.length || length == 0) return {};
  length = std::min(length, stream.length - offset);
  if (stream.sparse) return {.fd = -1, .position = 0, .length = length};
  return impl_->within(
      [&]() -> Extent {
        if (stream.type == StreamType::pe_image) return impl_->pe_extent(stream, offset, length);
        const Region& region = impl_->region(stream.region_offset);
        const std::uint64_t start = format::byte_offset(stream.region_offset);
        if (start > region.size || stream.length > region.size - start) {
          throw Error(Errc::corrupt,
                      fmt::format("{} bytes reach past the end of the region", stream.length));
        }
        return Impl::extent_in(region, start + offset, length);
      },
      "data at {:#x}", stream.region_offset);
}

PeImageObject Image::Impl::pe_image(const Stream& stream) const {
  const ByteView object = metadata_from(stream.region_offset);
  const auto executable = format::load<format::PeImage>(object, 0, "PE image");
  if ((executable.flags & ~format::pe_image_valid) != 0) {
    throw Error(Errc::unsupported,
                fmt::format("PE image with unknown flags {:#x}", executable.flags));
  }
  const std::uint64_t size = executable.mapping_count * sizeof(format::PeImageMapping);
  return {executable, format::slice(object, sizeof(executable), size, "PE image mappings")};
}

Extent Image::Impl::pe_extent(const Stream& stream, std::uint64_t offset,
                              std::uint64_t length) const {
  const PeImageObject image = pe_image(stream);
  const format::PePart part = format::find_pe_part(image.mappings, offset, length);
  if (part.position + part.length > image.header.data_length) {
    throw Error(Errc::corrupt,
                fmt::format("PE image reaches past its {} stored bytes", image.header.data_length));
  }
  const Region& home = region(image.header.data);
  const std::uint64_t start = format::byte_offset(image.header.data) + part.position;
  if (start > home.size || part.length > home.size - start) {
    throw Error(Errc::corrupt, "PE image reaches past the end of the region");
  }
  return extent_in(home, start, part.length);
}

bool Image::may_have_holes(const Stream& stream) const noexcept {
  if (stream.sparse) return true;
  format::RegionOffset data = stream.region_offset;
  if (stream.type == StreamType::pe_image) {
    try {
      data = impl_->pe_image(stream).header.data;
    } catch (const Error&) {
      return true;
    }
  }
  const std::uint16_t region = format::region_index(data);
  return region < impl_->regions.size() && impl_->regions[region].has_holes;
}

std::optional<std::uint64_t> Image::seek(const Stream& stream, std::uint64_t offset,
                                         bool data) const {
  if (offset >= stream.length) return std::nullopt;
  if (stream.sparse) return data ? std::nullopt : std::optional(offset);
  while (offset < stream.length) {
    const Extent part = extent(stream, offset, stream.length);
    if (part.fd < 0) return data ? offset : stream.length;
    // Otherwise a part that was cut off would pass for a hole.
    const std::uint64_t size = impl_->about_image([&] { return file_size(part.fd, path()); });
    if (size < part.position + part.length) impl_->throw_truncated();
    const off_t found =
        lseek(part.fd, static_cast<off_t>(part.position), data ? SEEK_DATA : SEEK_HOLE);
    if (found < 0 && errno != ENXIO) throw system_error(errno).with_image(path());
    const std::uint64_t distance =
        found < 0 ? part.length : static_cast<std::uint64_t>(found) - part.position;
    if (distance < part.length) return offset + distance;
    offset += part.length;
  }
  return data ? std::nullopt : std::optional(stream.length);
}

std::vector<format::RegionSet> ImageInternals::region_sets() const {
  return image_.impl_->header.sets;
}

std::size_t ImageInternals::region_count() const { return image_.impl_->regions.size(); }

std::uint64_t ImageInternals::metadata_size() const { return image_.impl_->metadata_size(); }

format::RegionOffset ImageInternals::upcase_table() const {
  return image_.impl_->filesystem.upcase_table;
}

ByteView ImageInternals::metadata_object(format::RegionOffset offset, std::uint64_t length) const {
  return image_.impl_->within(
      [&] { return format::slice(image_.impl_->metadata_from(offset), 0, length, "object"); },
      "metadata at {:#x}", offset);
}

std::uint32_t ImageInternals::file_table_count() const {
  return image_.impl_->filesystem.file_table_directory_length;
}

std::uint64_t ImageInternals::stream_table_size(const File& file) const {
  try {
    return image_.impl_->stream_table(file).byte_size();
  } catch (const Error&) {
    return 0;
  }
}

PeImageObject ImageInternals::pe_image(const Stream& stream) const {
  return image_.impl_->within([&] { return image_.impl_->pe_image(stream); }, "data at {:#x}",
                              stream.region_offset);
}

FileTable ImageInternals::file_table(std::uint32_t index) const {
  return image_.impl_->within([&] { return image_.impl_->file_table(index); }, "file table {}",
                              index);
}

}  // namespace cim
