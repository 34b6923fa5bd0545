// Breaks every field of every structure of a good image in turn. Each time the image is opened,
// walked, read and checked: that ends in clean errors or in an answer.
#include <ctime>

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "format/layout.h"
#include "format/link_table.h"
#include "image/base.h"
#include "image/check.h"
#include "image/explorer.h"
#include "image/file_descriptor.h"
#include "support/image_content.h"
#include "support/temporary_directory.h"

namespace cim {
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
    format::RegionHeader, format::Filesystem, format::FileTableDirectoryEntry,
    format::LinkTableHeader, format::FullEaInformation, format::ReparseDataBuffer;
using FileRecord = format::File;
using StreamRecord = format::Stream;

const std::vector<Field> common_header_fields = {
    FIELD(CommonHeader, magic),         FIELD(CommonHeader, header_length),
    FIELD(CommonHeader, type),          FIELD(CommonHeader, reserved),
    FIELD(CommonHeader, reserved2),     FIELD(CommonHeader, version_major),
    FIELD(CommonHeader, version_minor), FIELD(CommonHeader, reserved3)};
const std::vector<Field> guid_fields = {FIELD(Guid, data1), FIELD(Guid, data2), FIELD(Guid, data3),
                                        FIELD(Guid, data4)};
const std::vector<Field> region_set_fields = {FIELD(RegionSet, count), FIELD(RegionSet, reserved),
                                              FIELD(RegionSet, reserved2)};
const std::vector<Field> filesystem_header_fields = {
    FIELD(FilesystemHeader, filesystem), FIELD(FilesystemHeader, reserved),
    FIELD(FilesystemHeader, reserved2), FIELD(FilesystemHeader, parent_count)};
const std::vector<Field> region_header_fields = {
    FIELD(RegionHeader, index), FIELD(RegionHeader, type), FIELD(RegionHeader, reserved),
    FIELD(RegionHeader, reserved2)};
const std::vector<Field> filesystem_fields = {
    FIELD(Filesystem, upcase_table), FIELD(Filesystem, file_table_directory),
    FIELD(Filesystem, file_table_directory_length), FIELD(Filesystem, root_directory)};
const std::vector<Field> file_table_directory_entry_fields = {
    FIELD(FileTableDirectoryEntry, table), FIELD(FileTableDirectoryEntry, count),
    FIELD(FileTableDirectoryEntry, entry_size), FIELD(FileTableDirectoryEntry, reserved)};
const std::vector<Field> stream_fields = {FIELD(StreamRecord, data),
                                          FIELD(StreamRecord, length_and_type)};
// The type and the flag of a stream are in the last two bytes of its length.
const std::vector<Field> stream_type_fields = {
    {"StreamRecord.type", offsetof(StreamRecord, length_and_type) + 6, 1},
    {"StreamRecord.sparse", offsetof(StreamRecord, length_and_type) + 7, 1}};
const std::vector<Field> file_fields = {FIELD(FileRecord, flags),
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
                                        FIELD(FileRecord, reserved)};
const std::vector<Field> link_table_header_fields = {FIELD(LinkTableHeader, length),
                                                     FIELD(LinkTableHeader, count)};
const std::vector<Field> extended_attribute_fields = {FIELD(FullEaInformation, next_entry_offset),
                                                      FIELD(FullEaInformation, flags),
                                                      FIELD(FullEaInformation, name_length),
                                                      FIELD(FullEaInformation, value_length),
                                                      {"EA name", sizeof(FullEaInformation), 1}};
const std::vector<Field> reparse_fields = {FIELD(ReparseDataBuffer, tag),
                                           FIELD(ReparseDataBuffer, data_length),
                                           FIELD(ReparseDataBuffer, reserved),
                                           {"symbolic link version", sizeof(ReparseDataBuffer), 4}};
const std::vector<Field> byte_count_fields = {{"byte count", 0, 2}};
const std::vector<Field> descriptor_fields = {
    {"descriptor revision", 0, 1}, {"descriptor control", 2, 2}, {"descriptor owner", 4, 4},
    {"descriptor group", 8, 4},    {"descriptor SACL", 12, 4},   {"descriptor DACL", 16, 4}};
const std::vector<Field> extension_fields = {FIELD(ExtensionHeader, file_table_directory),
                                             FIELD(ExtensionHeader, first_own_file),
                                             FIELD(ExtensionHeader, link_counts)};
#undef FIELD

// A field in a file of the image.
struct Place {
  const char* name;
  std::string path;
  std::uint64_t offset;
  std::size_t size;
};

struct Silence : CheckObserver {
  void found(bool, const std::string&) override {}
  void expect(std::uint64_t, std::uint64_t) override {}
  void advance(std::uint64_t, std::uint64_t) override {}
};

class CorruptionTest : public testing::Test {
 protected:
  CorruptionTest() {
    write_good_image();
    find_places();
  }

  void write_good_image() const {
    const std::array<std::uint8_t, 20> descriptor = {1, 0, 0, 0x80};
    const std::array<std::uint8_t, 13> reparse = {0x1D, 0, 0, 0xA0, 5, 0, 0, 0, 2, 0, 0, 0, 'x'};
    const std::array<std::uint8_t, 12> attributes = {0, 0, 0, 0, 0, 1, 2, 0, 'N', 0, 'v', 'w'};
    Writer writer({.directory = directory_.string(), .existing = {}, .name = "a.cim"});
    writer.create_directory(u"d", {.security_descriptor = std::as_bytes(std::span(descriptor))});
    writer.create_directory(u"d\\ee", {});
    test::put(writer, u"d\\ee\\file", "content",
              {.extended_attributes = std::as_bytes(std::span(attributes))});
    test::put(writer, u"d\\large", std::string(20000, 'x'));
    writer.create_hard_link(u"link", u"d\\ee\\file");
    test::put(writer, u"symlink", "", {.reparse_data = std::as_bytes(std::span(reparse))});
    writer.create_named_stream(u"link", u"stream", 100).write(test::bytes("stream"));
    writer.commit();
  }

  template <typename T>
  static T load(const std::string& path, std::uint64_t offset) {
    T value = {};
    const FileDescriptor fd(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    EXPECT_GT(pread(fd.get(), &value, sizeof(value), static_cast<off_t>(offset)), 0);
    return value;
  }

  template <typename T>
  T load(RegionOffset offset) const {
    return load<T>(regions_.at(format::region_index(offset)), format::byte_offset(offset));
  }

  void add(const std::vector<Field>& fields, const std::string& path, std::uint64_t offset) {
    for (const Field& field : fields) {
      places_.push_back({field.name, path, offset + field.offset, field.size});
    }
  }

  void add(const std::vector<Field>& fields, RegionOffset offset) {
    add(fields, regions_.at(format::region_index(offset)), format::byte_offset(offset));
  }

  // All fields of an object that others point at, unless it has been added already.
  bool add_object(const std::vector<Field>& fields, RegionOffset offset) {
    if (offset == 0 || !objects_.insert(offset).second) return false;
    add(fields, offset);
    return true;
  }

  void add_stream(RegionOffset offset) {
    add(stream_fields, offset);
    add(stream_type_fields, offset);
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

  void add_file(RegionOffset record) {
    const auto file = load<FileRecord>(record);
    add(file_fields, record);
    add_stream(record + offsetof(FileRecord, default_stream));
    if (add_object(byte_count_fields, file.security_descriptor)) {
      add(descriptor_fields, file.security_descriptor + 2);
    }
    if (add_object(byte_count_fields, file.reparse_data)) {
      add(reparse_fields, file.reparse_data + 2);
    }
    add_object(extended_attribute_fields, file.extended_attributes);
    if (file.stream_table != 0) add_link_table(file.stream_table, sizeof(StreamRecord));
  }

  void find_places() {
    const Image image(path_);
    for (const RegionSetInfo& set : image.region_sets()) {
      for (const RegionInfo& region : set.regions) regions_.push_back(region.path);
    }
    add(common_header_fields, path_, 0);
    add(guid_fields, path_, offsetof(FilesystemHeader, regions));
    add(region_set_fields, path_, offsetof(FilesystemHeader, regions));
    add(filesystem_header_fields, path_, 0);
    for (const std::string& region : regions_) {
      add(common_header_fields, region, 0);
      add(region_header_fields, region, 0);
    }
    const RegionOffset filesystem = load<FilesystemHeader>(path_, 0).filesystem;
    add_object(filesystem_fields, filesystem);
    const auto root = load<Filesystem>(filesystem);
    add_object(file_table_directory_entry_fields, root.file_table_directory);
    const auto table = load<FileTableDirectoryEntry>(root.file_table_directory);
    for (FileId id = 1; id <= image.file_id_limit(); ++id) {
      add_file(table.table + (id - 1) * std::uint64_t{table.entry_size});
      const File file = image.file(id);
      if (file.is_directory()) add_link_table(file.stream.region_offset, sizeof(FileId));
    }
    add_extension(image);
  }

  // The data of the root's hidden stream.
  void add_extension(const Image& image) {
    const RegionOffset table = image.file(image.root()).stream_table_offset;
    add(extension_fields, load<StreamRecord>(table + sizeof(LinkTableHeader)).data);
  }

  std::vector<std::uint64_t> wrong_values(std::uint64_t original, std::size_t size) const {
    std::vector<std::uint64_t> values = {0, 1, UINT64_MAX, original + 1, original - 1};
    if (size == sizeof(RegionOffset)) {
      values.insert(values.end(), objects_.begin(), objects_.end());
      values.push_back(format::max_byte_offset);
    }
    if (size == sizeof(FileId)) {  // ids, and the name `..`
      values.insert(values.end(), {2, 3, 4, 5, 6, 7, 8, 0x7FFFFFFF, 0x002E002E});
    }
    if (size == sizeof(char16_t)) values.insert(values.end(), {u'.', u'/', u'\\', 96, 0x7FFF});
    return values;
  }

  // The errors of all that is done with the image, with `value` in `place`.
  int errors_with(const Place& place, std::uint64_t original, std::uint64_t value) const {
    const FileDescriptor fd(open(place.path.c_str(), O_RDWR | O_CLOEXEC));
    const auto offset = static_cast<off_t>(place.offset);
    EXPECT_EQ(place.size, pwrite(fd.get(), &value, place.size, offset));
    const std::clock_t start = std::clock();
    const int errors = use();
    EXPECT_LT(std::clock() - start, 5 * CLOCKS_PER_SEC);
    EXPECT_EQ(place.size, pwrite(fd.get(), &original, place.size, offset));
    return errors;
  }

  int use() const {
    const int errors = test::Explorer(path_).explore();
    Silence silence;
    return errors + static_cast<int>(check_image(path_, false, silence).errors);
  }

  const test::TemporaryDirectory directory_;
  const std::string path_ = directory_ / "a.cim";
  std::vector<std::string> regions_;  // paths, by region index
  std::vector<Place> places_;
  std::set<RegionOffset> objects_;  // that something points at
};

TEST_F(CorruptionTest, EveryFieldOfEveryStructure) {
  ASSERT_EQ(0, use());
  int cases = 0;
  int noticed = 0;
  for (const Place& place : places_) {
    std::uint64_t original = 0;
    const auto stored = load<std::uint64_t>(place.path, place.offset);
    std::memcpy(&original, &stored, place.size);
    for (const std::uint64_t value : wrong_values(original, place.size)) {
      SCOPED_TRACE(testing::Message() << place.name << " at " << place.path << ":" << place.offset
                                      << ": " << original << " becomes " << value);
      const int errors = errors_with(place, original, value);
      ++cases;
      noticed += errors > 0 ? 1 : 0;
      const bool is_unit = std::string_view(place.name) == "name";
      if (is_unit && (value == 0 || value == u'/' || value == u'\\')) {
        EXPECT_GT(errors, 0);
      }
    }
  }
  EXPECT_EQ(0, use()) << "a field was not restored";
  RecordProperty("fields", static_cast<int>(places_.size()));
  RecordProperty("cases", cases);
  RecordProperty("noticed", noticed);
  std::cout << places_.size() << " fields, " << cases << " cases, " << noticed
            << " of them with errors\n";
}

}  // namespace
}  // namespace cim
