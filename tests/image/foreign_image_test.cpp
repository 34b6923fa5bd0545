// Images as other writers may make them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "image/forged_image.h"
#include "support/error_of.h"
#include "support/image_content.h"
#include "support/temporary_directory.h"

namespace cim {
namespace {

using test::content;
using test::error_of;
using test::file_at;
using test::ForgedImage;
using test::list;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::uint64_t pe_image = std::uint64_t{2} << format::stream_type_shift;

class ForeignImageTest : public testing::Test {
 protected:
  // An image with `file` as its only file, `f`.
  Image with_file(const format::File& file, std::uint16_t entry_size = sizeof(format::File)) {
    const format::File root = {.default_stream = forged_.directory({{u"f", 2}})};
    return Image(forged_.write(directory_.string(), {root, file}, entry_size));
  }

  test::TemporaryDirectory directory_;
  ForgedImage forged_;
};

TEST_F(ForeignImageTest, ShortFileRecordsEndInZeros) {
  const Image image = with_file({.last_write_time = 7,
                                 .default_stream = forged_.file_data("text"),
                                 .security_descriptor = 0xFFFF,
                                 .parent = 1},
                                56);
  const File file = file_at(image, u"f");
  EXPECT_EQ(7, file.last_write_time);
  EXPECT_EQ("text", content(image, u"f"));
  EXPECT_EQ(0u, file.security_descriptor_offset);
  EXPECT_EQ(0u, file.parent);
}

TEST_F(ForeignImageTest, LongFileRecordsAreRead) {
  const Image image = with_file({.default_stream = forged_.file_data("text"), .parent = 1}, 128);
  EXPECT_EQ("text", content(image, u"f"));
  EXPECT_EQ(1u, file_at(image, u"f").parent);
}

TEST_F(ForeignImageTest, Version3IsTried) {
  forged_.header.common.version_major = 3;
  const Image image = with_file({.default_stream = forged_.file_data("text")});
  EXPECT_EQ(3u, image.version_major());
  EXPECT_EQ("text", content(image, u"f"));
}

TEST_F(ForeignImageTest, OtherVersionsAreRefusedByNumber) {
  forged_.header.common.version_major = 4;
  forged_.header.common.version_minor = 1;
  try {
    with_file({});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(Errc::unsupported, error.code());
    EXPECT_THAT(error.what(), HasSubstr("forged.cim: has format version 4.1"));
  }
}

TEST_F(ForeignImageTest, AnUpcaseTableMayBeAnywhere) {
  forged_.filesystem.upcase_table =
      forged_.add_metadata(std::as_bytes(std::span(format::windows_upcase_table())), 1);
  const Image image = with_file({.default_stream = forged_.file_data("text")});
  EXPECT_FALSE(image.case_sensitive());
  EXPECT_EQ("text", content(image, u"F"));
}

TEST_F(ForeignImageTest, SectionsOfAPeImageAreFoundThroughItsMappings) {
  // Bytes 0-3 stay, 4-7 are moved by 2, from 8 on by 5.
  const struct {
    format::PeImage image;
    format::PeImageMapping mappings[2];
  } object = {{.data = forged_.add_data("0123__4567___89AB"),
               .data_length = 17,
               .image_length = 17,
               .mapping_count = 2,
               .flags = 1},
              {{.file_offset = 4, .delta = 2}, {.file_offset = 8, .delta = 5}}};
  const format::RegionOffset offset = forged_.add_metadata(std::as_bytes(std::span(&object, 1)));
  const Image image =
      with_file({.default_stream = {.data = offset, .length_and_type = 12 | pe_image}});
  EXPECT_EQ("0123456789AB", content(image, u"f"));
  const Stream stream = file_at(image, u"f").stream;
  EXPECT_EQ(2u, image.extent(stream, 6, 100).length) << "up to the next mapping";
  std::string part(5, '?');
  image.read(stream, 6, std::as_writable_bytes(std::span(part)));
  EXPECT_EQ("6789A", part);
}

TEST_F(ForeignImageTest, BothFormsOfAStreamTableAreRead) {
  for (const bool counted : {false, true}) {
    ForgedImage forged;
    std::vector<std::byte> table =
        forged.link_table<format::Stream>({{u"zone", forged.file_data("data")}});
    if (counted) {
      const auto size = static_cast<std::uint32_t>(table.size());
      const auto bytes = std::as_bytes(std::span(&size, 1));
      table.insert(table.begin(), bytes.begin(), bytes.end());
    }
    const format::RegionOffset offset = forged.add_metadata(table);
    const format::File root = {.default_stream = forged.directory({}), .stream_table = offset};
    const Image image(forged.write(directory_.string(), {root}));
    const auto stream = image.find_named_stream(image.file(1), u"zone");
    ASSERT_TRUE(stream.has_value()) << counted;
    EXPECT_EQ("data", content(image, *stream));
    EXPECT_EQ(1u, image.named_streams(image.file(1)).size());
  }
}

TEST_F(ForeignImageTest, OneStreamIsFoundByNameAndByIndex) {
  std::vector<std::pair<std::u16string, format::Stream>> streams = {
      {u"a", forged_.file_data("first")}, {u"b", forged_.file_data("second")}};
  streams.push_back(
      {u"c",
       {.data = 0, .length_and_type = std::uint64_t{9} << format::stream_type_shift}});  // no type
  const format::RegionOffset table = forged_.add_metadata(forged_.link_table(streams));
  const format::File root = {.default_stream = forged_.directory({}), .stream_table = table};
  const Image image(forged_.write(directory_.string(), {root}));
  const File file = image.file(1);
  const auto index = image.find_named_stream_index(file, u"b");
  ASSERT_TRUE(index.has_value());
  EXPECT_EQ("second", content(image, image.named_stream(file, *index)));
  EXPECT_EQ("second", content(image, image.find_named_stream(file, u"b").value()));
  EXPECT_FALSE(image.find_named_stream_index(file, u"bb").has_value());
  EXPECT_EQ(Errc::corrupt, error_of([&] { image.named_stream(file, 2); }));
  EXPECT_EQ(Errc::file_not_found, error_of([&] { image.named_stream(file, 3); }));
}

TEST_F(ForeignImageTest, AStreamWithANameThatNoneMayHaveIsNotFound) {
  const format::RegionOffset table =
      forged_.add_metadata(forged_.link_table<format::Stream>({{u"", forged_.file_data("x")}}));
  const format::File root = {.default_stream = forged_.directory({}), .stream_table = table};
  const Image image(forged_.write(directory_.string(), {root}));
  EXPECT_EQ(Errc::corrupt, error_of([&] { image.find_named_stream(image.file(1), u""); }));
  EXPECT_EQ(Errc::corrupt, error_of([&] { image.named_stream(image.file(1), 0); }));
}

// Whatever the case of the letters by which it is asked for.
TEST_F(ForeignImageTest, TheExtensionStreamIsNotShown) {
  const format::RegionOffset table = forged_.add_metadata(
      forged_.link_table<format::Stream>({{u"cimfs.extension", forged_.file_data("x")}}));
  const format::File root = {.default_stream = forged_.directory({}), .stream_table = table};
  forged_.filesystem.upcase_table =
      forged_.add_metadata(std::as_bytes(std::span(format::windows_upcase_table())));
  const Image image(forged_.write(directory_.string(), {root}));
  for (const std::u16string_view name : {u"cimfs.extension", u"CIMFS.Extension"}) {
    EXPECT_FALSE(image.find_named_stream(image.file(1), name).has_value());
  }
  EXPECT_EQ(Errc::file_not_found, error_of([&] { image.named_stream(image.file(1), 0); }));
}

TEST_F(ForeignImageTest, LinkCountsAreCountedWhereNobodyRecordedThem) {
  const format::File root = {.default_stream =
                                 forged_.directory({{u"a", 2}, {u"b", 2}, {u"d", 3}, {u"e", 4}})};
  const format::File file = {.default_stream = forged_.file_data("x")};
  const format::File d = {.default_stream = forged_.directory({{u"c", 2}})};
  const format::File e = {.default_stream = forged_.directory({})};
  const Image image(forged_.write(directory_.string(), {root, file, d, e}));
  EXPECT_EQ(4u, image.link_count(image.file(1)));
  EXPECT_EQ(3u, image.link_count(image.file(2)));
  EXPECT_EQ(2u, image.link_count(image.file(3)));
}

TEST_F(ForeignImageTest, CountingLinksEndsInACycle) {
  const format::File root = {.default_stream = forged_.directory({{u"d", 2}})};
  const format::File d = {.default_stream = forged_.directory({{u"up", 1}, {u"self", 2}})};
  const Image image(forged_.write(directory_.string(), {root, d}));
  EXPECT_EQ(3u, image.link_count(image.file(1)));
  EXPECT_EQ(4u, image.link_count(image.file(2)));
}

TEST_F(ForeignImageTest, WhatItsLastForkAddedIsNotKnown) {
  const Image image = with_file({});
  EXPECT_THROW(image.files_of_last_fork(), Error);
}

}  // namespace
}  // namespace cim
