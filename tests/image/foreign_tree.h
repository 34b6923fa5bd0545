// A small tree in an image, with the choices that the format leaves to the writer.
#pragma once

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "image/forged_image.h"

namespace cim::test {

enum class Choice {
  short_records,     // that end before the security descriptor
  long_records,      // of odd length
  some_name_tables,  // those of directories
  tables_with_gaps,  // of few files each
  several_regions,   // of each type
  several_parents,
  counted_stream_tables,  // with their length twice
  empty_streams_with_offsets,
  invalid_names,  // that are not UTF-16
  unsorted_object_ids,
  missing_object_ids,
};
using Choices = std::set<Choice>;
using NamedChoices = std::pair<const char*, Choices>;

// None, and each on its own.
inline const NamedChoices all_choices[] = {
    {"NoChoice", {}},
    {"ShortRecords", {Choice::short_records}},
    {"LongRecords", {Choice::long_records}},
    {"SomeNameTables", {Choice::some_name_tables}},
    {"TablesWithGaps", {Choice::tables_with_gaps}},
    {"SeveralRegions", {Choice::several_regions}},
    {"SeveralParents", {Choice::several_parents}},
    {"CountedStreamTables", {Choice::counted_stream_tables}},
    {"EmptyStreamsWithOffsets", {Choice::empty_streams_with_offsets}},
    {"InvalidNames", {Choice::invalid_names}},
    {"UnsortedObjectIds", {Choice::unsorted_object_ids}},
    {"MissingObjectIds", {Choice::missing_object_ids}},
};

// As many as one image can have; but only version 3 gets records of an unusual size.
inline Choices most_choices(std::uint32_t version) {
  Choices choices = {
      Choice::several_regions,       Choice::several_parents, Choice::empty_streams_with_offsets,
      Choice::counted_stream_tables, Choice::invalid_names,   Choice::unsorted_object_ids};
  if (version == 3) choices.insert(Choice::long_records);
  return choices;
}

// The name of a test whose parameter is a version and NamedChoices.
inline std::string name_of_choices(
    const testing::TestParamInfo<std::tuple<std::uint32_t, NamedChoices>>& test) {
  return std::string("Version") + std::to_string(std::get<0>(test.param)) +
         std::get<1>(test.param).first;
}

// Writes the image forged.cim, in version `major`:
//
//   root: d, empty, executable, f, void    d: e, g    d/e: h    f = d/g
//
// `f` has the streams `none` and `zone`; `void` is an empty directory.
class ForeignTree {
 public:
  ForeignTree(std::string directory, std::uint32_t major, Choices choices)
      : directory_(std::move(directory)), choices_(std::move(choices)) {
    forged_.header.common.version_major = major;
    if (has(Choice::tables_with_gaps)) forged_.files_per_table = 3;
    forged_.object_ids = has(Choice::missing_object_ids)    ? ForgedImage::ObjectIdOrder::missing
                         : has(Choice::unsorted_object_ids) ? ForgedImage::ObjectIdOrder::reverse
                                                            : ForgedImage::ObjectIdOrder::sorted;
    write();
  }

  // The path of the image.
  const std::string& path() const { return path_; }

  // The content of each file, by its path.
  std::map<std::u16string, std::string> contents() const {
    return {{u"empty", ""},
            {u"f", "f"},
            {u"d\\g", "f"},
            {path_of_h(), "h"},
            {u"executable", "0123456789AB"}};
  }

  std::u16string path_of_h() const { return u"d\\e\\" + name_of_h(); }

  // The content of each stream of `f`, by its name.
  std::map<std::u16string, std::string> streams() const {
    if (has(Choice::short_records)) return {};
    return {{u"none", ""}, {u"zone", "stream"}};
  }

  // The ids of the root, d, d/e, f and d/e/h, which have 4, 3, 2, 2 and 1 links.
  std::vector<FileId> ids() const {
    return {forged_.id(0), forged_.id(1), forged_.id(2), forged_.id(3), forged_.id(4)};
  }

  // The ForgedImage that it was made with.
  const ForgedImage& forged() const { return forged_; }

 private:
  bool has(Choice choice) const { return choices_.contains(choice); }

  std::u16string name_of_h() const {
    return has(Choice::invalid_names) ? std::u16string{0xDC00, u'h', 0xD800} : u"h";
  }

  void write() {
    // The first object, because tests that change bytes leave it alone.
    forged_.filesystem.upcase_table =
        forged_.add_metadata(std::as_bytes(std::span(format::windows_upcase_table())));
    const FileId root = forged_.id(0), d = forged_.id(1), e = forged_.id(2), f = forged_.id(3),
                 h = forged_.id(4), empty = forged_.id(5), x = forged_.id(6), none = forged_.id(7);
    add(forged_.directory(
            {{u"d", d}, {u"empty", empty}, {u"executable", x}, {u"f", f}, {u"void", none}}),
        {{u".", root}});
    add(forged_.directory({{u"e", e}, {u"g", f}}), {{u"d", root}});
    add(forged_.directory({{name_of_h(), h}}), {{u"e", d}});
    begin_other_place(RegionType::small_data);
    add(forged_.file_data("f"), {{u"f", root}, {u"g", d}});
    records_.back().stream_table = stream_table();
    begin_other_place(RegionType::small_data);
    add(forged_.file_data("h"), {{name_of_h(), e}});
    add(empty_stream(StreamType::data), {{u"empty", root}});
    begin_other_place(RegionType::data);
    add(executable(), {{u"executable", root}});
    add(empty_stream(StreamType::link_table), {{u"void", root}});
    path_ = forged_.write(directory_, records_, record_size());
  }

  // Adds the next file, which has these names.
  void add(const format::Stream& stream,
           const std::vector<std::pair<std::u16string, FileId>>& names) {
    format::File& record = records_.emplace_back();
    record.default_stream = stream;
    record.parent = names[0].second;
    const auto type = static_cast<StreamType>(stream.length_and_type >> format::stream_type_shift);
    if (has(Choice::some_name_tables) && type != StreamType::link_table) return;
    record.name_table = forged_.names(names);
  }

  void begin_other_place(RegionType data) {
    if (has(Choice::several_parents)) forged_.begin_region_set();
    if (!has(Choice::several_regions)) return;
    forged_.begin_region(RegionType::metadata);
    forged_.begin_region(data);
  }

  std::uint16_t record_size() const {
    if (has(Choice::short_records)) return offsetof(format::File, security_descriptor);
    if (has(Choice::long_records)) return sizeof(format::File) + 25;
    return forged_.record_size();
  }

  format::Stream empty_stream(StreamType type) const {
    return {.data = has(Choice::empty_streams_with_offsets) ? 0xFFFF'0000'0000'0001 : 0,
            .length_and_type = std::uint64_t{static_cast<std::uint8_t>(type)}
                               << format::stream_type_shift};
  }

  format::RegionOffset stream_table() {
    std::vector<std::byte> table = forged_.link_table<format::Stream>(
        {{u"none", empty_stream(StreamType::data)}, {u"zone", forged_.file_data("stream")}});
    if (has(Choice::counted_stream_tables)) {
      const auto size = static_cast<std::uint32_t>(table.size());
      const ByteView bytes = format::bytes_of(size);
      table.insert(table.begin(), bytes.begin(), bytes.end());
    }
    return forged_.add_metadata(table);
  }

  // Bytes 0-3 stay, 4-7 are moved by 2, from 8 on by 5.
  format::Stream executable() {
    const struct {
      format::PeImage image;
      format::PeImageMapping mappings[2];
    } object = {{.data = forged_.add_data("0123__4567___89AB"),
                 .data_length = 17,
                 .image_length = 17,
                 .mapping_count = 2,
                 .flags = 1},
                {{.file_offset = 4, .delta = 2}, {.file_offset = 8, .delta = 5}}};
    return {.data = forged_.add_metadata(format::bytes_of(object)),
            .length_and_type = 12 | std::uint64_t{static_cast<std::uint8_t>(StreamType::pe_image)}
                                        << format::stream_type_shift};
  }

  const std::string directory_;
  const Choices choices_;
  ForgedImage forged_;
  std::vector<format::File> records_;
  std::string path_;
};

}  // namespace cim::test
