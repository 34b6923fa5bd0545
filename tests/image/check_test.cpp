// check_image: each kind of damage is found and named.
#include "image/check.h"

#include <algorithm>
#include <fstream>
#include <functional>
#include <iterator>

#include <boost/filesystem.hpp>
#include <cim/writer.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "format/bytes.h"
#include "format/extended_attributes.h"
#include "image/digest.h"
#include "image/file_descriptor.h"
#include "image/forged_image.h"
#include "image/object_ids.h"
#include "image/region.h"
#include "support/image_content.h"
#include "support/temporary_directory.h"

namespace cim {
namespace {

using test::ForgedImage;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Replaces the first occurrence of `bytes` in a file with `replacement`.
void replace(const std::string& path, ByteView bytes, ByteView replacement) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  const std::string content{std::istreambuf_iterator<char>(file), {}};
  const auto found =
      content.find(std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
  ASSERT_NE(found, std::string::npos) << path;
  file.clear();
  file.seekp(static_cast<std::streamoff>(found));
  file.write(reinterpret_cast<const char*>(replacement.data()),
             static_cast<std::streamsize>(replacement.size()));
}

void write_at(const std::string& path, std::uint64_t position, ByteView bytes) {
  std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(position));
  file.write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
  ASSERT_TRUE(file.flush()) << path;
}

class Problems : public CheckObserver {
 public:
  void found(bool is_error, const std::string& message) override {
    (is_error ? errors : warnings).push_back(message);
  }
  void expect(std::uint64_t, std::uint64_t bytes) override { expected = bytes; }
  void advance(std::uint64_t, std::uint64_t bytes) override { read += bytes; }

  std::vector<std::string> errors;
  std::vector<std::string> warnings;
  std::uint64_t expected = 0;
  std::uint64_t read = 0;
};

class CheckImage : public testing::Test {
 protected:
  std::vector<std::string> check(const std::vector<format::File>& files) {
    return problems(forged_.write(directory_.string(), files)).errors;
  }

  Problems problems(const std::string& path, bool data = false) {
    Problems found;
    check_image(path, data, found);
    return found;
  }

  // What is wrong with an image whose root directory holds `file`.
  std::vector<std::string> check_file(format::File file) {
    file.parent = 1;
    return check({directory({{u"a", 2}}, 1), file});
  }

  // An image that the Writer made: a file with two names, and two others.
  std::string write_image() {
    Writer writer({.directory = directory_.string(), .existing = {}, .name = "a.cim"});
    test::put(writer, u"twice", "1");
    test::put(writer, u"b", "22");
    test::put(writer, u"c", "333");
    writer.create_hard_link(u"again", u"twice");
    writer.commit();
    return directory_ / "a.cim";
  }

  // Builds a new version of it, which has an extension stream.
  void extend(const std::function<void(Writer&)>& change) {
    Writer writer({.directory = directory_.string(), .existing = "a.cim"});
    change(writer);
    writer.commit();
  }

  // An image with a file that is mostly a hole, the first in its region.
  std::string write_sparse_image() {
    Writer writer({.directory = directory_.string(), .existing = {}, .name = "sparse.cim"});
    writer.create_file(u"file", {}, sparse_size).write_at(sparse_data, test::bytes("data"));
    writer.commit();
    return directory_ / "sparse.cim";
  }

  // Records `digest` for the one object in the region file `path`.
  void set_digest(const std::string& path, const Digest& digest) {
    const auto parts = parse_region_file_name(path.substr(path.rfind('/') + 1));
    ASSERT_TRUE(parts);
    write_at(directory_ / object_id_file_name(parts->set, parts->index),
             sizeof(format::ObjectIdHeader) + offsetof(format::ObjectIdEntry, digest),
             format::bytes_of(digest));
  }

  // The region file of `type` of the newest set of the image at `path`.
  std::string region(const std::string& path, RegionType type) {
    const std::vector<RegionSetInfo> sets = Image(path).region_sets();
    for (const RegionInfo& info : sets.back().regions) {
      if (info.type == type) return info.path;
    }
    return "(none)";
  }

  format::File directory(const std::vector<std::pair<std::u16string, FileId>>& entries,
                         FileId parent) {
    return {.default_stream = forged_.directory(entries), .parent = parent};
  }

  static constexpr std::uint64_t sparse_start = 4096;  // in the region
  static constexpr std::uint64_t sparse_size = (64 << 20) + 4 * 4096;
  static constexpr std::uint64_t sparse_data = 2 * 4096;

  const test::TemporaryDirectory directory_;
  ForgedImage forged_;
};

TEST_F(CheckImage, AcceptsAGoodImage) {
  EXPECT_THAT(check({directory({{u"a", 2}}, 1), {.parent = 1}}), IsEmpty());
}

TEST_F(CheckImage, FindsNamesOutOfOrder) {
  EXPECT_THAT(check({directory({{u"b", 2}, {u"a", 3}}, 1), {.parent = 1}, {.parent = 1}}),
              Contains(HasSubstr("out of order")));
}

TEST_F(CheckImage, FindsANameTwice) {
  EXPECT_THAT(check({directory({{u"a", 2}, {u"a", 3}}, 1), {.parent = 1}, {.parent = 1}}),
              Contains(HasSubstr("same name twice")));
}

TEST_F(CheckImage, EndsOnACycleAndFindsIt) {
  EXPECT_THAT(check({directory({{u"a", 2}}, 1), directory({{u"b", 1}}, 1)}),
              Contains(HasSubstr("directory 1: has a second name, in directory 2")));
}

TEST_F(CheckImage, FindsAParentThatHasNoSuchName) {
  EXPECT_THAT(check({directory({{u"a", 2}}, 1), {.parent = 7}}),
              Contains(HasSubstr("file 2: its parent, 7")));
}

TEST_F(CheckImage, FindsDataPastTheEndOfItsRegion) {
  format::Stream stream = forged_.file_data("short");
  stream.length_and_type += 1000000;
  EXPECT_THAT(check({directory({{u"a", 2}}, 1), {.default_stream = stream, .parent = 1}}),
              Contains(HasSubstr("file 2: data: ")));
}

TEST_F(CheckImage, FindsDataInAMetadataRegion) {
  const format::RegionOffset offset = forged_.add_metadata(test::bytes("text"));
  EXPECT_THAT(check_file({.default_stream = {.data = offset, .length_and_type = 4}}),
              ElementsAre(HasSubstr("file 2: data: is in a metadata region")));
}

TEST_F(CheckImage, FindsDataOfAnExecutableInAMetadataRegion) {
  const auto check_executable = [&](format::RegionOffset data) {
    const format::PeImage executable = {.data = data, .data_length = 4, .image_length = 4};
    return check_file(
        {.default_stream = {.data = forged_.add_metadata(format::bytes_of(executable)),
                            .length_and_type = 4 | std::uint64_t{2} << format::stream_type_shift}});
  };
  EXPECT_THAT(check_executable(forged_.add_data("text")), IsEmpty());
  EXPECT_THAT(check_executable(forged_.add_metadata(test::bytes("text"))),
              ElementsAre(HasSubstr("file 2: data: is in a metadata region")));
}

TEST_F(CheckImage, FindsMappingsOfAnExecutableOutOfOrder) {
  const auto check_mappings = [&](const std::vector<format::PeImageMapping>& mappings) {
    return check_file({.default_stream = forged_.executable("0123__4567___89", 10, mappings)});
  };
  EXPECT_THAT(check_mappings({{4, 2}, {8, 5}}), IsEmpty());
  const auto out_of_order =
      ElementsAre(HasSubstr("file 2: data: PE image mapping 1: out of order"));
  EXPECT_THAT(check_mappings({{8, 2}, {4, 5}}), out_of_order);
  EXPECT_THAT(check_mappings({{4, 2}, {4, 5}}), out_of_order);
  EXPECT_THAT(check_mappings({{4, 2}, {8, 1}}), out_of_order);
}

TEST_F(CheckImage, FindsAnExecutableLongerThanItsStoredData) {
  const format::Stream stream = forged_.executable("0123__4567", 9, {{4, 2}});
  forged_.add_data("not of the file");
  EXPECT_THAT(check_file({.default_stream = stream}), ElementsAre(HasSubstr("file 2: data: ")));
}

TEST_F(CheckImage, FindsMetadataInADataRegion) {
  EXPECT_THAT(check_file({.security_descriptor = forged_.add_data("text")}),
              ElementsAre(HasSubstr("is not in a metadata region")));
}

TEST_F(CheckImage, FindsMalformedExtendedAttributes) {
  EXPECT_THAT(check_file({.extended_attributes_length = 9,
                          .extended_attributes = forged_.add_metadata(
                              test::bytes(std::string_view("\1\0\0\0\0\1\0\0x", 9)))}),
              ElementsAre(HasSubstr("file 2: extended attributes: ")));
}

TEST_F(CheckImage, FindsMalformedReparseData) {
  EXPECT_THAT(check_file({.reparse_tag = 0xA000000C,
                          .reparse_data = forged_.add_metadata(
                              test::bytes(std::string_view("\4\0\x0C\0\0\xA0", 6)))}),
              ElementsAre(HasSubstr("file 2: reparse data: ")));
}

TEST_F(CheckImage, FindsAMalformedSecurityDescriptor) {
  EXPECT_THAT(check_file({.security_descriptor = forged_.add_metadata(
                              test::bytes(std::string_view("\4\0\1\0\0\0", 6)))}),
              ElementsAre(HasSubstr("file 2: malformed security descriptor")));
}

TEST_F(CheckImage, FindsAWrongLengthOfTheHeader) {
  for (const std::uint32_t length : {0u, 71u, 73u, 0xFFFFFFFFu}) {
    forged_.header.common.header_length = length;
    EXPECT_THAT(check_file({}), ElementsAre(HasSubstr("claims a header of"))) << length;
  }
}

TEST_F(CheckImage, FindsAWrongLinkCount) {
  const std::string path = write_image();
  extend([](Writer& writer) {
    for (const auto* name : {u"d", u"d\\a", u"d\\b"}) writer.create_directory(name, {});
  });
  ASSERT_THAT(problems(path).errors, IsEmpty());
  const LinkCount count = {test::file_at(Image(path), u"d").id, 4};
  const std::string small_data = region(path, RegionType::small_data);
  replace(small_data, format::bytes_of(count), format::bytes_of(LinkCount{count.id, 5}));
  EXPECT_THAT(problems(path).errors,
              ElementsAre(HasSubstr("link count 5 is recorded, but there are 4")));
}

TEST_F(CheckImage, FindsANameTableWithOtherNames) {
  const format::File root = directory({{u"a", 2}, {u"b", 2}}, 1);
  for (const auto& names : {std::vector<std::pair<std::u16string, FileId>>{{u"a", 1}},
                            {{u"a", 1}, {u"c", 1}},
                            {{u"a", 1}, {u"b", 2}},
                            {{u"a", 1}, {u"a", 1}},
                            {{u"a", 1}, {u"b", 1}, {u"c", 1}}}) {
    EXPECT_THAT(check({root, {.parent = 1, .name_table = forged_.names(names)}}),
                ElementsAre(HasSubstr("file 2: its name table has other names")));
  }
  EXPECT_THAT(check({root, {.parent = 1, .name_table = forged_.names({{u"a", 1}, {u"b", 1}})}}),
              IsEmpty());
}

TEST_F(CheckImage, FindsAnExtendedAttributeWhoseNameIsNotRecorded) {
  {
    format::EaBuilder list;
    list.add("LX.security.name", test::bytes("value"));
    Metadata metadata;
    metadata.extended_attributes = list.list();
    write_image();
    extend([&](Writer& writer) { test::put(writer, u"file", "", metadata); });
  }
  const std::string path = directory_ / "a.cim";
  EXPECT_THAT(problems(path).errors, IsEmpty());
  replace(region(path, RegionType::small_data), test::bytes("LX.security.name"),
          test::bytes("LX.security.gone"));
  EXPECT_THAT(problems(path).errors, ElementsAre(HasSubstr("file 5: has an extended attribute")));
}

TEST_F(CheckImage, ManyMissingRegionFilesAreCounted) {
  forged_.header.regions.count = UINT16_MAX;
  const std::string path = forged_.write(directory_.string(), {directory({}, 1)});
  const std::string first = forged_.region_path(directory_.string(), 2);
  const Problems found = problems(path);
  ASSERT_EQ(found.errors.size(), 17u);
  EXPECT_THAT(found.errors.front(), HasSubstr(first + ": No such file or directory"));
  EXPECT_THAT(found.errors.back(), HasSubstr(": 65517 more region files are missing"));
}

TEST_F(CheckImage, EqualLinkTablesAreInOrder) {
  Writer writer({.directory = directory_.string(), .name = "a.cim"});
  for (const char16_t* directory : {u"x", u"y"}) writer.create_directory(directory, {});
  test::put(writer, u"x\\file", "1");
  writer.create_hard_link(u"y\\file", u"x\\file");
  writer.commit();
  const Problems found = problems(directory_ / "a.cim", true);
  EXPECT_THAT(found.errors, IsEmpty());
  EXPECT_THAT(found.warnings, IsEmpty());
}

TEST_F(CheckImage, WarnsOfSpareRegionFiles) {
  const std::string path = forged_.write(directory_.string(), {directory({}, 1)});
  const std::string spare = forged_.region_path(directory_.string(), 7);
  boost::filesystem::copy_file(forged_.region_path(directory_.string(), 1), spare);
  const Problems found = problems(path);
  EXPECT_THAT(found.errors, IsEmpty());
  EXPECT_THAT(found.warnings, Contains(HasSubstr(spare + ": is not in its region set")));
}

TEST_F(CheckImage, WarnsOfObjectIdsOutOfOrder) {
  const std::string path = write_image();
  const std::string region_path = region(path, RegionType::small_data);
  const std::string name = region_path.substr(region_path.rfind('/') + 1);
  const auto parts = parse_region_file_name(name);
  ASSERT_TRUE(parts);
  const std::string ids_path = directory_ / object_id_file_name(parts->set, parts->index);
  const FileDescriptor fd(open(directory_.string().c_str(), O_PATH | O_CLOEXEC));
  const ObjectIds ids(fd.get(), directory_.string(), parts->set, parts->index);
  ASSERT_EQ(ids.size(), 3u);
  const format::ObjectIdEntry first[] = {ids[0], ids[1]};
  const format::ObjectIdEntry swapped[] = {ids[1], ids[0]};
  replace(ids_path, format::bytes_of(first), format::bytes_of(swapped));
  const Problems found = problems(path, true);
  EXPECT_THAT(found.errors, IsEmpty());
  EXPECT_THAT(found.warnings, ElementsAre(HasSubstr("entry 1: out of order")));
}

TEST_F(CheckImage, ComparesTheDigestOfAFileThatIsMostlyAHole) {
  const std::string path = write_sparse_image();
  EXPECT_THAT(problems(path, true).errors, IsEmpty());
  write_at(region(path, RegionType::data), sparse_start + sparse_data, test::bytes("DATA"));
  EXPECT_THAT(problems(path, true).errors,
              ElementsAre(HasSubstr("do not have the digest that is recorded")));
}

TEST_F(CheckImage, TakesAFilledHoleForOne) {
  const std::string path = write_sparse_image();
  const std::uint64_t after_data = sparse_start + sparse_data + 4096;
  write_at(region(path, RegionType::data), after_data,
           std::vector<std::byte>(sparse_start + sparse_size - after_data));
  EXPECT_THAT(problems(path, true).errors, IsEmpty());
}

TEST_F(CheckImage, AcceptsADigestOfAHole) {
  const std::string path = write_sparse_image();
  std::string content(sparse_size, '\0');
  content.replace(sparse_data, 4, "data");
  set_digest(region(path, RegionType::data), object_digest(test::bytes(content)));
  EXPECT_THAT(problems(path, true).errors, IsEmpty());
}

TEST_F(CheckImage, ReadsDataThatHasNoDigest) {
  const format::Stream stream = forged_.file_data(std::string(3000000, 'x'));
  const std::string path = forged_.write(
      directory_.string(), {directory({{u"a", 2}}, 1), {.default_stream = stream, .parent = 1}});
  const Problems found = problems(path, true);
  EXPECT_GT(found.expected, 3000000u);
  EXPECT_EQ(found.read, found.expected);
}

TEST_F(CheckImage, EndsOnDirectoriesOfAnyDepth) {
  constexpr FileId depth = 100000;
  std::vector<format::File> files;
  for (FileId id = 1; id < depth; ++id) files.push_back(directory({{u"d", id + 1}}, id - 1));
  files.push_back(directory({}, depth - 1));
  files.front().parent = 1;
  Problems found;
  const CheckResult result = check_image(forged_.write(directory_.string(), files), false, found);
  EXPECT_THAT(found.errors, IsEmpty());
  EXPECT_EQ(result.files, depth);
}

TEST_F(CheckImage, GoesOnAfterAProblem) {
  EXPECT_THAT(check({directory({{u"a", 9}, {u"b", 2}}, 1), {.parent = 7}}), testing::SizeIs(2));
}

}  // namespace
}  // namespace cim
