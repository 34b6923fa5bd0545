#include "image/corruption.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <random>
#include <set>

#include <boost/filesystem.hpp>
#include <cim/image.h>
#include <gtest/gtest.h>

#include "format/layout.h"
#include "image/foreign_tree.h"
#include "image/internals.h"
#include "image/sample_image.h"

namespace cim::test {
namespace {

using format::RegionOffset;

struct Field {
  const char* name;
  std::size_t offset;  // within its structure
  std::size_t size;
};

#define FIELD(structure, member) \
  Field { #structure "." #member, offsetof(structure, member), sizeof(structure::member) }

using format::CommonHeader, format::RegionSet, format::Guid, format::FilesystemHeader,
    format::RegionHeader, format::ObjectIdHeader, format::ObjectIdEntry, format::Filesystem,
    format::FileTableDirectoryEntry, format::LinkTableHeader, format::PeImage,
    format::PeImageMapping, format::FullEaInformation, format::ReparseDataBuffer;
using FileRecord = format::File;
using StreamRecord = format::Stream;
using Fields = std::vector<Field>;

const Fields common_header_fields = {
    FIELD(CommonHeader, magic),         FIELD(CommonHeader, header_length),
    FIELD(CommonHeader, type),          FIELD(CommonHeader, reserved),
    FIELD(CommonHeader, reserved2),     FIELD(CommonHeader, version_major),
    FIELD(CommonHeader, version_minor), FIELD(CommonHeader, reserved3)};
const Fields guid_fields = {FIELD(Guid, data1), FIELD(Guid, data2), FIELD(Guid, data3),
                            FIELD(Guid, data4)};
const Fields region_set_fields = {FIELD(RegionSet, count), FIELD(RegionSet, reserved),
                                  FIELD(RegionSet, reserved2)};
const Fields filesystem_header_fields = {
    FIELD(FilesystemHeader, filesystem), FIELD(FilesystemHeader, reserved),
    FIELD(FilesystemHeader, reserved2), FIELD(FilesystemHeader, parent_count)};
const Fields region_header_fields = {FIELD(RegionHeader, reserved), FIELD(RegionHeader, type),
                                     FIELD(RegionHeader, reserved2),
                                     FIELD(RegionHeader, reserved3)};
const Fields object_id_header_fields = {
    FIELD(ObjectIdHeader, index),        FIELD(ObjectIdHeader, type),
    FIELD(ObjectIdHeader, reserved),     FIELD(ObjectIdHeader, reserved2),
    FIELD(ObjectIdHeader, table_offset), FIELD(ObjectIdHeader, count)};
const Fields object_id_fields = {
    FIELD(ObjectIdEntry, length),
    {"start of ObjectIdEntry.digest", offsetof(ObjectIdEntry, digest), 8},
    FIELD(ObjectIdEntry, byte_offset)};
const Fields filesystem_fields = {
    FIELD(Filesystem, upcase_table), FIELD(Filesystem, file_table_directory),
    FIELD(Filesystem, file_table_directory_length), FIELD(Filesystem, root_directory)};
const Fields file_table_directory_entry_fields = {
    FIELD(FileTableDirectoryEntry, table), FIELD(FileTableDirectoryEntry, count),
    FIELD(FileTableDirectoryEntry, entry_size), FIELD(FileTableDirectoryEntry, reserved)};
// The type and the flag of a stream are in the last two bytes of its length.
const Fields stream_fields = {
    FIELD(StreamRecord, data),
    FIELD(StreamRecord, length_and_type),
    {"StreamRecord.type", offsetof(StreamRecord, length_and_type) + 6, 1},
    {"StreamRecord.sparse", offsetof(StreamRecord, length_and_type) + 7, 1}};
const Fields file_fields = {FIELD(FileRecord, flags),
                            FIELD(FileRecord, extended_attributes_length),
                            FIELD(FileRecord, reparse_tag),
                            FIELD(FileRecord, creation_time),
                            FIELD(FileRecord, last_write_time),
                            FIELD(FileRecord, change_time),
                            FIELD(FileRecord, last_access_time),
                            FIELD(FileRecord, security_descriptor),
                            FIELD(FileRecord, extended_attributes),
                            FIELD(FileRecord, reparse_data),
                            FIELD(FileRecord, stream_table),
                            FIELD(FileRecord, parent),
                            FIELD(FileRecord, base_region_index),
                            FIELD(FileRecord, reserved),
                            FIELD(FileRecord, name_table)};
const Fields link_table_header_fields = {FIELD(LinkTableHeader, length),
                                         FIELD(LinkTableHeader, count)};
const Fields pe_image_fields = {FIELD(PeImage, data), FIELD(PeImage, data_length),
                                FIELD(PeImage, image_length), FIELD(PeImage, mapping_count),
                                FIELD(PeImage, flags)};
const Fields pe_image_mapping_fields = {FIELD(PeImageMapping, file_offset),
                                        FIELD(PeImageMapping, delta)};
const Fields extended_attribute_fields = {FIELD(FullEaInformation, next_entry_offset),
                                          FIELD(FullEaInformation, flags),
                                          FIELD(FullEaInformation, name_length),
                                          FIELD(FullEaInformation, value_length),
                                          {"EA name", sizeof(FullEaInformation), 1}};
const Fields reparse_fields = {FIELD(ReparseDataBuffer, tag),
                               FIELD(ReparseDataBuffer, data_length),
                               FIELD(ReparseDataBuffer, reserved),
                               {"symbolic link version", sizeof(ReparseDataBuffer), 4}};
const Fields byte_count_fields = {{"byte count", 0, 2}};
const Fields descriptor_fields = {{"descriptor revision", 0, 1}, {"descriptor control", 2, 2},
                                  {"descriptor owner", 4, 4},    {"descriptor group", 8, 4},
                                  {"descriptor SACL", 12, 4},    {"descriptor DACL", 16, 4}};
const Fields extension_fields = {FIELD(ExtensionHeader, file_table_directory),
                                 FIELD(ExtensionHeader, first_own_file),
                                 FIELD(ExtensionHeader, link_counts)};
const Fields link_count_fields = {FIELD(LinkCount, id), FIELD(LinkCount, count)};
const Fields attribute_names_fields = {{"number of recorded names", 0, 2},
                                       {"length of a recorded name", 2, 1},
                                       {"recorded name", 3, 1}};
#undef FIELD

// A field in a file of the image.
struct Place {
  const char* name;
  std::string path;
  std::uint64_t offset;
  std::size_t size;
};

// Follows everything that an image points at.
class Places {
 public:
  explicit Places(const std::string& path) : path_(path), image_(path) {
    add_files();
    const RegionOffset filesystem = read_object<FilesystemHeader>(path_, 0).filesystem;
    add_object(filesystem_fields, filesystem);
    const std::uint32_t tables = load<Filesystem>(filesystem).file_table_directory_length;
    for (std::uint32_t table = 0; table < tables; ++table) add_file_table(table);
    add_extension();
  }

  const std::vector<Place>& get() const { return places_; }

  std::set<std::uint64_t> wrong_values(std::uint64_t original, std::size_t size) const {
    std::vector<std::uint64_t> values = {0, 1, UINT64_MAX, original + 1, original - 1};
    if (size == sizeof(RegionOffset)) {
      values.insert(values.end(), objects_.begin(), objects_.end());
      values.push_back(format::max_byte_offset);
    }
    if (size == sizeof(FileId)) {  // ids, and the name `..`
      values.insert(values.end(), {2, 3, 4, 5, 6, 7, 8, 0x7FFFFFFF, 0x002E002E});
    }
    if (size == sizeof(char16_t)) values.insert(values.end(), {u'.', u'/', u'\\', 96, 0x7FFF});
    std::set<std::uint64_t> wrong;
    for (const std::uint64_t value : values) wrong.insert(value & UINT64_MAX >> (64 - 8 * size));
    wrong.erase(original);
    return wrong;
  }

 private:
  template <typename T>
  T load(RegionOffset offset) const {
    return read_object<T>(regions_.at(format::region_index(offset)), format::byte_offset(offset));
  }

  void add(const Fields& fields, const std::string& path, std::uint64_t offset) {
    for (const Field& field : fields) {
      places_.push_back({field.name, path, offset + field.offset, field.size});
    }
  }

  void add(const Fields& fields, RegionOffset offset) {
    add(fields, regions_.at(format::region_index(offset)), format::byte_offset(offset));
  }

  // All fields of an object that others point at, unless it has been added already.
  bool add_object(const Fields& fields, RegionOffset offset) {
    if (offset == 0 || !objects_.insert(offset).second) return false;
    add(fields, offset);
    return true;
  }

  void add_files() {
    add(common_header_fields, path_, 0);
    add_region_set(offsetof(FilesystemHeader, regions));
    add(filesystem_header_fields, path_, 0);
    const std::uint16_t parents = read_object<FilesystemHeader>(path_, 0).parent_count;
    for (std::uint16_t i = 0; i < parents; ++i) {
      add_region_set(sizeof(FilesystemHeader) + i * sizeof(RegionSet));
    }
    for (const std::string& region : regions_) {
      add(common_header_fields, region, 0);
      add(region_header_fields, region, 0);
      add_object_ids(region);
    }
  }

  void add_region_set(std::uint64_t offset) {
    add(guid_fields, path_, offset);
    add(region_set_fields, path_, offset);
  }

  void add_object_ids(const std::string& region) {
    const std::string path = object_id_path(region);
    add(common_header_fields, path, 0);
    add(object_id_header_fields, path, 0);
    const auto header = read_object<ObjectIdHeader>(path, 0);
    for (std::uint32_t i = 0; i < header.count; ++i) {
      add(object_id_fields, path, header.table_offset + i * sizeof(ObjectIdEntry));
    }
  }

  void add_stream(RegionOffset offset) {
    add(stream_fields, offset);
    objects_.insert(load<StreamRecord>(offset).data);
  }

  void add_link_table(RegionOffset offset, std::size_t value_size) {
    if (!add_object(link_table_header_fields, offset)) return;
    const std::uint32_t count = load<LinkTableHeader>(offset).count;
    const RegionOffset values = offset + sizeof(LinkTableHeader);
    for (std::uint32_t i = 0; i < count; ++i) {
      const RegionOffset value = values + i * value_size;
      if (value_size == sizeof(StreamRecord)) {
        add_stream(value);
      } else {
        add({{"file id of an entry", 0, 4}}, value);
      }
      const RegionOffset name_offset = values + count * value_size + i * sizeof(std::uint32_t);
      const RegionOffset name = offset + load<std::uint32_t>(name_offset);
      add({{"name offset", 0, 4}}, name_offset);
      add({{"name length", 0, 2}, {"name", 2, 2}, {"two characters of a name", 2, 4}}, name);
    }
  }

  // Its length may come twice.
  void add_stream_table(RegionOffset offset) {
    const auto length = load<std::uint32_t>(offset);
    const bool is_counted = load<std::uint32_t>(offset + sizeof(length)) == length;
    if (is_counted && add_object({{"length of a stream table", 0, 4}}, offset)) {
      offset += sizeof(length);
    }
    add_link_table(offset, sizeof(StreamRecord));
  }

  void add_executable(RegionOffset offset) {
    add(pe_image_fields, offset);
    const auto header = load<PeImage>(offset);
    objects_.insert(header.data);
    for (std::uint32_t i = 0; i < header.mapping_count; ++i) {
      add(pe_image_mapping_fields, offset + sizeof(header) + i * sizeof(PeImageMapping));
    }
  }

  void add_file_table(std::uint32_t table) {
    const FileTableDirectoryEntry entry = ImageInternals(image_).file_table(table).entry;
    const RegionOffset directory =
        load<Filesystem>(read_object<FilesystemHeader>(path_, 0).filesystem).file_table_directory;
    add(file_table_directory_entry_fields, directory + table * sizeof(entry));
    for (std::uint16_t i = 0; i < entry.count; ++i) {
      add_file(table * format::files_per_table + i + 1, entry.entry_size);
    }
  }

  void add_file(FileId id, std::size_t record_size) {
    const RegionOffset record = record_offset(image_, id);
    auto file = load<FileRecord>(record);
    for (const Field& field : file_fields) {
      if (field.offset + field.size <= record_size) add({field}, record);
    }
    if (record_size < sizeof(file)) file.name_table = 0;
    add_stream(record + offsetof(FileRecord, default_stream));
    if (add_object(byte_count_fields, file.security_descriptor)) {
      add(descriptor_fields, file.security_descriptor + 2);
    }
    if (add_object(byte_count_fields, file.reparse_data)) {
      add(reparse_fields, file.reparse_data + 2);
    }
    add_object(extended_attribute_fields, file.extended_attributes);
    if (file.stream_table != 0) add_stream_table(file.stream_table);
    add_link_table(file.name_table, sizeof(FileId));
    const Stream stream = image_.file(id).stream;
    if (stream.length == 0) return;
    if (stream.type == StreamType::link_table) add_link_table(stream.region_offset, sizeof(FileId));
    if (stream.type == StreamType::pe_image) add_executable(stream.region_offset);
  }

  // The data of the root's hidden stream.
  void add_extension() {
    const RegionOffset table = image_.file(image_.root()).stream_table_offset;
    if (table == 0) return;
    const RegionOffset offset = load<StreamRecord>(table + sizeof(LinkTableHeader)).data;
    add(extension_fields, offset);
    const auto header = load<ExtensionHeader>(offset);
    EXPECT_GT(header.link_counts, 0u);
    for (std::uint32_t i = 0; i < header.link_counts; ++i) {
      add(link_count_fields, offset + sizeof(header) + i * sizeof(LinkCount));
    }
    add(attribute_names_fields, offset + sizeof(header) + header.link_counts * sizeof(LinkCount));
  }

  const std::string path_;
  const Image image_;
  const std::vector<std::string> regions_ = region_paths(image_);
  std::vector<Place> places_;
  std::set<RegionOffset> objects_;  // those that something points at
};

std::uint64_t value_at(const Place& place) {
  std::uint64_t value = 0;
  const FileDescriptor fd(open(place.path.c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_EQ(place.size, pread(fd.get(), &value, place.size, static_cast<off_t>(place.offset)));
  return value;
}

void put_value(const Corruption& corruption, std::uint64_t value) {
  write_bytes(corruption.path, corruption.offset,
              std::as_bytes(std::span(&value, 1)).first(corruption.size));
}

void make_sample_image(const std::string& directory) {
  write_sample_image(directory);
  extend(directory, "a.cim");
}

template <std::uint32_t version>
void make_foreign_image(const std::string& directory) {
  const ForeignTree tree(directory, version, most_choices(version));
  boost::filesystem::rename(tree.path(), directory + "/a.cim");
}

}  // namespace

const std::array<BreakableImage, 4> breakable_images = {
    BreakableImage{"Sample", make_sample_image, 1},
    {"Version1", make_foreign_image<1>, 4},
    {"Version2", make_foreign_image<2>, 4},
    {"Version3", make_foreign_image<3>, 4}};

std::ostream& operator<<(std::ostream& out, const Corruption& corruption) {
  return out << corruption.field << " at " << corruption.path << ":" << corruption.offset << ": "
             << corruption.original << " becomes " << corruption.value;
}

std::vector<Corruption> all_corruptions(const std::string& path) {
  const Places places(path);
  std::vector<Corruption> corruptions;
  for (const Place& place : places.get()) {
    const std::uint64_t original = value_at(place);
    for (const std::uint64_t value : places.wrong_values(original, place.size)) {
      corruptions.push_back({place.name, place.path, place.offset, place.size, original, value});
    }
  }
  return corruptions;
}

int try_corruptions(const std::string& path, std::size_t step,
                    const std::function<void(const Corruption&)>& try_out) {
  std::vector<Corruption> corruptions = all_corruptions(path);
  auto end = std::chrono::steady_clock::time_point::max();
  if (const char* const seconds = std::getenv("BROKEN_IMAGES_SECONDS")) {
    end = std::chrono::steady_clock::now() + std::chrono::seconds(std::atoi(seconds));
    std::ranges::shuffle(corruptions, std::mt19937(std::random_device{}()));
    step = 1;
  }
  int tried = 0;
  for (std::size_t i = 0; i < corruptions.size(); i += step) {
    if (std::chrono::steady_clock::now() > end) break;
    const Corruption& corruption = corruptions[i];
    SCOPED_TRACE(testing::Message() << corruption);
    put_value(corruption, corruption.value);
    try_out(corruption);
    put_value(corruption, corruption.original);
    ++tried;
  }
  std::cout << tried << " of " << corruptions.size() << " broken images\n";
  return tried;
}

}  // namespace cim::test
