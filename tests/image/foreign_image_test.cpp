// Images as other writers may make them.
#include <fstream>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include <cim/writer.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "format/bytes.h"
#include "image/explorer.h"
#include "image/file_descriptor.h"
#include "image/foreign_tree.h"
#include "image/forged_image.h"
#include "image/internals.h"
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
using testing::UnorderedElementsAre;

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

TEST_F(ForeignImageTest, RecordsOfAnyLengthAreRead) {
  for (std::uint16_t size = 56; size <= 200; size += 8) {
    ForgedImage forged;
    const format::File root = {.default_stream = forged.directory({{u"f", 2}})};
    const format::File file = {.default_stream = forged.file_data("text")};
    const Image image(forged.write(directory_.string(), {root, file}, size));
    EXPECT_EQ("text", content(image, u"f")) << size;
  }
}

// Windows leaves in these fields what was in memory.
TEST_F(ForeignImageTest, ReservedFieldsOfTheFilesystemFileMayHaveAnyValue) {
  forged_.header.common.reserved = 0x6C;
  forged_.header.common.reserved2 = 0x8C6C;
  forged_.header.common.reserved3 = 0x01E08C6C00000000;
  forged_.header.regions.reserved = 1;
  forged_.header.regions.reserved2 = 2;
  forged_.header.reserved = 0x8C6C0000;
  forged_.header.reserved2 = 0x01E0;
  EXPECT_EQ("text", content(with_file({.default_stream = forged_.file_data("text")}), u"f"));
}

TEST_F(ForeignImageTest, FilesOfAMergedImageAreRefusedByName) {
  try {
    file_at(with_file({.base_region_index = 1}), u"f");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(Errc::unsupported, error.code());
    EXPECT_THAT(error.what(), HasSubstr("file 2: is a file of a merged image"));
  }
}

TEST_F(ForeignImageTest, OtherVersionsAreRefusedByNumber) {
  forged_.header.common.version_major = 4;
  forged_.header.common.version_minor = 1;
  try {
    with_file({});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(Errc::version_not_supported, error.code());
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

// Bytes 0-3 stay, 4-7 are moved by 2, from 8 on by 5.
TEST_F(ForeignImageTest, SectionsOfAPeImageAreFoundThroughItsMappings) {
  const Image image =
      with_file({.default_stream = forged_.executable("0123__4567___89AB", 12, {{4, 2}, {8, 5}})});
  EXPECT_EQ("0123456789AB", content(image, u"f"));
  const Stream stream = file_at(image, u"f").stream;
  EXPECT_EQ(2u, image.extent(stream, 6, 100).length) << "up to the next mapping";
  std::string part(5, '?');
  image.read(stream, 6, std::as_writable_bytes(std::span(part)));
  EXPECT_EQ("6789A", part);
}

TEST_F(ForeignImageTest, APeImageEndsWithItsStoredData) {
  const format::Stream stream = forged_.executable("0123__4567", 9, {{4, 2}});
  forged_.add_data("not of the file");
  const Image image = with_file({.default_stream = stream});
  const Stream file = file_at(image, u"f").stream;
  EXPECT_EQ(4u, image.extent(file, 0, 4).length);
  EXPECT_EQ(Errc::corrupt, error_of([&] { content(image, file); }));
}

TEST_F(ForeignImageTest, APeImageWithUnknownFlagsIsRefused) {
  const format::PeImage executable = {.data = forged_.add_data("text"),
                                      .data_length = 4,
                                      .image_length = 4,
                                      .mapping_count = 0,
                                      .flags = 2};
  const format::RegionOffset offset = forged_.add_metadata(format::bytes_of(executable));
  const Image image =
      with_file({.default_stream = {.data = offset, .length_and_type = 4 | pe_image}});
  EXPECT_EQ(Errc::unsupported, error_of([&] { content(image, u"f"); }));
}

TEST_F(ForeignImageTest, HolesOfAPeImageAreFoundInEachSection) {
  // Eight pages, three of them holes. The sixth and the seventh belong to no part of the file.
  constexpr std::uint64_t page = format::page_size;
  std::string stored;
  for (const char fill : {'a', '\0', 'b', 'c', '\0', 'd', '\0', 'e'}) stored.append(page, fill);
  // One page and a half are stored at page 0, three pages at page 2 and one at page 7.
  constexpr std::uint64_t half = page / 2;
  const format::Stream executable = forged_.executable(
      stored, 5 * page + half,
      {{static_cast<std::uint32_t>(page + half), half},
       {static_cast<std::uint32_t>(4 * page + half), static_cast<std::uint32_t>(2 * page + half)}});
  const format::File file = {.default_stream = executable};
  with_file(file);
  const std::string region = forged_.region_path(directory_.string(), 1);
  const FileDescriptor fd(open(region.c_str(), O_RDWR | O_CLOEXEC));
  for (const off_t hole : {1, 4, 6}) {
    ASSERT_EQ(0, fallocate(fd.get(), FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                           static_cast<off_t>(page) * (1 + hole), static_cast<off_t>(page)));
  }
  const Image image(directory_ / "forged.cim");
  const Stream stream = file_at(image, u"f").stream;
  EXPECT_TRUE(image.may_have_holes(stream));
  const auto data = [&](std::uint64_t offset) { return image.seek(stream, offset, true); };
  const auto hole = [&](std::uint64_t offset) { return image.seek(stream, offset, false); };
  EXPECT_EQ(0u, data(0));
  EXPECT_EQ(page, hole(0));
  EXPECT_EQ(page + half, data(page));
  EXPECT_EQ(3 * page + half, hole(page + half));
  EXPECT_EQ(4 * page + half, data(3 * page + half));
  EXPECT_EQ(5 * page + half, hole(4 * page + half));
  EXPECT_FALSE(data(5 * page + half));
}

TEST_F(ForeignImageTest, APeImageInARegionWithoutHolesHasNone) {
  const std::string text(2 * format::page_size, 'x');
  const Image image = with_file({.default_stream = forged_.executable(text, 5000, {{4096, 7}})});
  EXPECT_FALSE(image.may_have_holes(file_at(image, u"f").stream));
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

// Whatever the case of the letters in the name asked for.
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

TEST_F(ForeignImageTest, AnImageThatIsNoForkMadeAllOfItsFiles) {
  EXPECT_THAT(with_file({.parent = 1}).files_of_last_fork(), ElementsAre(1, 2));
}

TEST_F(ForeignImageTest, WhatAForkOfAnotherWriterAddedIsNotKnown) {
  const std::string path = forged_.write(
      directory_.string(), {format::File{.default_stream = forged_.directory({}), .parent = 1}});
  ForgedImage fork;
  fork.header = forged_.header;
  fork.header.parent_count = 1;
  std::ofstream file(path);
  file.write(reinterpret_cast<const char*>(&fork.header), sizeof(fork.header));
  file.write(reinterpret_cast<const char*>(&fork.header.regions), sizeof(format::RegionSet));
  file.close();
  EXPECT_EQ(Errc::unsupported, error_of([&] { Image(path).files_of_last_fork(); }));
}

// A ForeignTree of each version, with each choice of its writer.
class ForeignTreeTest
    : public ForeignImageTest,
      public testing::WithParamInterface<std::tuple<std::uint32_t, test::NamedChoices>> {
 protected:
  std::uint32_t version() const { return std::get<0>(GetParam()); }

  Image open() const { return Image(tree_.path()); }

  // What is built on it, without errors.
  Image extended(const std::function<void(Writer&)>& change) const {
    Writer writer({.directory = directory_.string(), .existing = "forged.cim", .name = "b.cim"});
    change(writer);
    writer.commit();
    const std::string path = directory_ / "b.cim";
    EXPECT_EQ(0u, test::errors_of_check(path, true));
    return Image(path);
  }

  void expect_contents(const Image& image) const {
    for (const auto& [path, content] : tree_.contents()) {
      EXPECT_EQ(content, test::content(image, path)) << image_to_linux_path(path);
    }
    std::map<std::u16string, std::string> streams;
    for (const NamedStream& stream : image.named_streams(file_at(image, u"f"))) {
      streams[stream.name] = content(image, stream.stream);
    }
    EXPECT_EQ(tree_.streams(), streams);
  }

  std::vector<std::uint32_t> link_counts(const Image& image) const {
    std::vector<std::uint32_t> counts;
    for (const FileId id : tree_.ids()) counts.push_back(image.link_count(image.file(id)));
    return counts;
  }

  const test::ForeignTree tree_{directory_.string(), version(), std::get<1>(GetParam()).second};
};

INSTANTIATE_TEST_SUITE_P(, ForeignTreeTest,
                         testing::Combine(testing::Values(1u, 2u, 3u),
                                          testing::ValuesIn(test::all_choices)),
                         test::name_of_choices);

TEST_P(ForeignTreeTest, IsRead) {
  EXPECT_EQ(version(), open().version_major());
  expect_contents(open());
  if (open().file_id_limit() > tree_.contents().size() + 3) return;  // some ids have no file
  const int unknown = open().region_sets().size() > 1 ? 1 : 0;       // what the last fork added
  EXPECT_EQ(unknown, test::Explorer(tree_.path()).explore());
}

TEST_P(ForeignTreeTest, IsFoundInAnyCase) {
  EXPECT_EQ("f", content(open(), u"D\\G"));
  EXPECT_EQ("f", content(open(), u"F"));
  EXPECT_FALSE(open().resolve(u"d\\f").has_value());
  const Image image = open();
  EXPECT_EQ(!tree_.streams().empty(),
            image.find_named_stream(file_at(image, u"f"), u"ZONE").has_value());
}

TEST_P(ForeignTreeTest, IsChecked) { EXPECT_EQ(0u, test::errors_of_check(tree_.path(), true)); }

TEST_P(ForeignTreeTest, HasLinkCounts) {
  EXPECT_THAT(link_counts(open()), ElementsAre(4, 3, 2, 2, 1));
}

TEST_P(ForeignTreeTest, HasParents) {
  const Image image = open();
  const std::vector<FileId> ids = tree_.ids();
  std::vector<FileId> parents;
  for (const FileId id : ids) parents.push_back(image.parent(image.file(id)));
  EXPECT_THAT(parents, ElementsAre(ids[0], ids[0], ids[1], testing::AnyOf(ids[0], ids[1]), ids[2]));
}

TEST_P(ForeignTreeTest, IsBuiltUpon) {
  const Image image = extended([](Writer& writer) { test::put(writer, u"d\\new", "new"); });
  EXPECT_EQ(3u, image.version_major());
  EXPECT_EQ("new", content(image, u"d\\new"));
  expect_contents(image);
  for (const auto& [path, content] : tree_.contents()) {
    EXPECT_EQ(file_at(open(), path).stream.region_offset,
              file_at(image, path).stream.region_offset);
  }
  EXPECT_THAT(link_counts(image), ElementsAre(4, 3, 2, 2, 1));
}

// A file that gains or loses a name, whatever the version, gets a table of all its names.
TEST_P(ForeignTreeTest, FilesGetNameTablesWithTheirNewNames) {
  const std::vector<FileId> ids = tree_.ids();
  const Image image = extended([&](Writer& writer) {
    writer.create_hard_link(u"d\\e\\i", tree_.path_of_h());
    writer.remove(u"f");
  });
  const auto names = [&](FileId id) {
    std::set<std::pair<std::u16string, FileId>> found;
    for (const FileName& name : ImageInternals(image).names(image.file(id))) {
      found.insert({name.name, name.directory});
    }
    return found;
  };
  EXPECT_THAT(names(ids[3]), ElementsAre(std::pair(u"g", ids[1])));
  EXPECT_THAT(names(ids[4]), UnorderedElementsAre(std::pair(tree_.path_of_h().substr(4), ids[2]),
                                                  std::pair(u"i", ids[2])));
  EXPECT_EQ(ids[1], image.parent(image.file(ids[3])));
  EXPECT_THAT(link_counts(image), ElementsAre(4, 3, 2, 1, 2));
}

TEST_P(ForeignTreeTest, ARemovedDirectoryTakesItsNamesWithIt) {
  const Image image = extended([&](Writer& writer) {
    writer.create_hard_link(u"i", tree_.path_of_h());
    writer.remove(u"d");
  });
  EXPECT_EQ(1u, image.link_count(file_at(image, u"f")));
  EXPECT_EQ(1u, image.link_count(file_at(image, u"i")));
  EXPECT_EQ(image.root(), image.parent(file_at(image, u"i")));
  EXPECT_EQ(3u, image.link_count(file_at(image, u"")));
}

// Whatever the order of the object ids. Those of version 2 may have other digests.
TEST_P(ForeignTreeTest, WhatItHasIsFoundByItsObjectIds) {
  const Image image = extended([](Writer& writer) { test::put(writer, u"again", "h"); });
  const bool are_known = version() != 2 || open().region_sets().size() > 1;  // parents are older
  EXPECT_EQ(are_known && tree_.forged().object_ids != ForgedImage::ObjectIdOrder::missing,
            file_at(image, tree_.path_of_h()).stream.region_offset ==
                file_at(image, u"again").stream.region_offset);
}

// In version 3, a record that nothing leads to any more does not count.
TEST_F(ForeignImageTest, ARemovedDirectoryIsNoSubdirectory) {
  const format::File root = {.default_stream = forged_.directory({{u"d", 2}}),
                             .parent = 1,
                             .name_table = forged_.names({{u".", 1}})};
  const format::File d = {.default_stream = forged_.directory({}),
                          .parent = 1,
                          .name_table = forged_.names({{u"d", 1}})};
  const format::File removed = {.default_stream = forged_.directory({}),
                                .parent = 1,
                                .name_table = forged_.names({{u"old", 1}})};
  const Image image(forged_.write(directory_.string(), {root, d, removed, d}));
  EXPECT_EQ(3u, image.link_count(image.file(1)));
}

}  // namespace
}  // namespace cim
