// What an image claims costs no time and no memory before it is proven. The bombs here would cost a
// reader that believes them minutes or gigabytes.
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <numeric>

#include <cim/writer.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "format/bytes.h"
#include "format/extended_attributes.h"
#include "format/reparse.h"
#include "image/explorer.h"
#include "image/forged_image.h"
#include "posix/attributes.h"
#include "support/error_of.h"
#include "support/temporary_directory.h"
#include "transfer/image_walk.h"

namespace cim {
namespace {

using test::errors_of_check;
using test::ForgedImage;
using test::message_of;
using testing::HasSubstr;
using transfer::ImageWalk;

// How much memory this process has taken at most, and how much time in all.
struct Usage {
  Usage() {
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    kibibytes = usage.ru_maxrss;
    seconds = usage.ru_utime.tv_sec + usage.ru_stime.tv_sec;
  }

  long kibibytes;
  long seconds;
};

// Does `work` in a process of its own, since otherwise the memory would be that of all tests so
// far.
void expect_cheap(const std::function<void()>& work) {
  std::fflush(nullptr);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    const Usage before;
    work();
    const Usage after;
    EXPECT_LT(after.seconds - before.seconds, 30);
    EXPECT_LT(after.kibibytes - before.kibibytes, 512 * 1024);
    std::fflush(nullptr);
    _exit(testing::Test::HasFailure() ? EXIT_FAILURE : EXIT_SUCCESS);
  }
  int status;
  ASSERT_EQ(child, waitpid(child, &status, 0));
  EXPECT_EQ(0, status) << "see above";
}

// Directories that share link tables and entries that share names, as no writer makes them.
class ResourceBomb : public testing::Test {
 protected:
  // A link table of entries that are all called `name`.
  template <typename T>
  static std::vector<std::byte> table_of_one_name(const std::vector<T>& values,
                                                  std::u16string_view name) {
    std::vector<std::byte> table(sizeof(format::LinkTableHeader) +
                                 values.size() * (sizeof(T) + sizeof(std::uint32_t)));
    const auto name_offset = static_cast<std::uint32_t>(table.size());
    const std::vector<std::uint32_t> name_offsets(values.size(), name_offset);
    const auto units = static_cast<std::uint16_t>(name.size());
    format::append(table, format::bytes_of(units));
    format::append(table, std::as_bytes(std::span(name)));
    const format::LinkTableHeader header = {.length = static_cast<std::uint32_t>(table.size()),
                                            .count = static_cast<std::uint32_t>(values.size())};
    std::memcpy(table.data(), &header, sizeof(header));
    std::byte* const after_header = table.data() + sizeof(header);
    std::memcpy(after_header, values.data(), values.size() * sizeof(T));
    std::memcpy(after_header + values.size() * sizeof(T), name_offsets.data(),
                name_offsets.size() * sizeof(std::uint32_t));
    return table;
  }

  // A directory of entries that are all called `name` and lead to first, first + 1, ...
  format::Stream same_names(std::size_t count, std::u16string_view name, FileId first) {
    std::vector<FileId> ids(count);
    std::iota(ids.begin(), ids.end(), first);
    const std::vector<std::byte> table = table_of_one_name(ids, name);
    return {.data = forged_.add_metadata(table),
            .length_and_type = table.size() | std::uint64_t{1} << format::stream_type_shift};
  }

  static std::u16string numbered_name(std::size_t number) {
    return linux_to_image_name(fmt::format("{:08}", number));
  }

  // A sound table of `count` alternate streams.
  format::RegionOffset stream_table(std::size_t count) {
    std::vector<std::pair<std::u16string, format::Stream>> streams;
    for (std::size_t i = 0; i < count; ++i)
      streams.emplace_back(numbered_name(i), format::Stream());
    return forged_.add_metadata(forged_.link_table(streams));
  }

  // A root whose `count` directories have one link table, which names `count` files.
  std::string shared_link_table(std::size_t count) {
    std::vector<format::File> files(1 + 2 * count);
    files[0].default_stream = same_names(count, u"d", 2);
    const format::Stream shared = same_names(count, u"f", static_cast<FileId>(2 + count));
    for (std::size_t i = 1; i <= count; ++i) files[i].default_stream = shared;
    return forged_.write(directory_.string(), files);
  }

  // Walks as commands do that need the extended attributes of all files.
  static std::string message_of_walk(const Image& image) {
    ImageWalk walk(image, {});
    try {
      for (auto step = walk.next(); step != ImageWalk::Step::end; step = walk.next()) {
        if (step != ImageWalk::Step::leave_directory) posix::list_xattrs(image, walk.file());
      }
    } catch (const Error& error) {
      EXPECT_EQ(Errc::corrupt, error.code());
      return error.what();
    }
    return "(ends)";
  }

  // Whatever looks at all files of the image at `path` comes to an end: walks with `message`,
  // checks with errors, link counts without.
  static void expect_walks_end(const std::string& path, const std::string& message) {
    expect_cheap([&] {
      const Image image(path);
      EXPECT_THAT(message_of_walk(image), HasSubstr(message));
      image.link_counts();
      EXPECT_GT(errors_of_check(path), 0u);
    });
  }

  const test::TemporaryDirectory directory_;
  ForgedImage forged_;
};

TEST_F(ResourceBomb, AHundredBytesThatClaimAllFilesAreRefused) {
  format::RegionHeader region = {};
  region.common = forged_.header.common;
  region.common.header_length = sizeof(region);
  region.common.type = format::FileType::region;
  const std::uint64_t offset = sizeof(region);
  const format::Filesystem filesystem = {.upcase_table = offset,
                                         .file_table_directory = offset,
                                         .file_table_directory_length = UINT32_MAX / 1024,
                                         .root_directory = 1};
  forged_.header.regions.count = 1;
  forged_.header.filesystem = offset;
  const std::string path = directory_ / "forged.cim";
  std::ofstream(path).write(reinterpret_cast<const char*>(&forged_.header), sizeof(forged_.header));
  std::ofstream region_file(forged_.region_path(directory_.string(), 0));
  region_file.write(reinterpret_cast<const char*>(&region), sizeof(region));
  region_file.write(reinterpret_cast<const char*>(&filesystem), sizeof(filesystem));
  region_file.close();
  expect_cheap([&] {
    EXPECT_EQ(Errc::corrupt, test::error_of([&] { Image image(path); }));
    EXPECT_GT(errors_of_check(path), 0u);
  });
}

TEST_F(ResourceBomb, FileTablesThatAreOneTableAreRefused) {
  forged_.extra_file_tables = 1'000'000;
  std::vector<format::File> files(format::files_per_table);
  files[0].default_stream = forged_.directory({});
  const std::string path = forged_.write(directory_.string(), files);
  expect_cheap([&] {
    try {
      const Image image(path);
      ADD_FAILURE() << "opened";
    } catch (const Error& error) {
      EXPECT_EQ(Errc::corrupt, error.code());
      EXPECT_THAT(error.what(), HasSubstr("file tables overlap"));
    }
    EXPECT_GT(errors_of_check(path), 0u);
  });
}

TEST_F(ResourceBomb, DirectoriesThatAreOneLinkTable) {
  const std::string path = shared_link_table(30'000);
  expect_walks_end(path, "directories overlap");
}

TEST_F(ResourceBomb, EntriesThatAreOneName) {
  std::vector<format::File> files(1);
  files[0].default_stream = same_names(2'000'000, std::u16string(255, u'\u4E00'), 1);
  const std::string path = forged_.write(directory_.string(), files);
  expect_walks_end(path, "directories overlap");
}

// Naming the same region files again must not raise the bound.
TEST_F(ResourceBomb, RegionSetsListedTwiceCountOnce) {
  std::vector<format::File> files(1);
  files[0].default_stream = same_names(100'000, std::u16string(100, u'x'), 1);
  const std::string path = forged_.write(directory_.string(), files);
  forged_.header.parent_count = 100;
  std::ofstream file(path);
  file.write(reinterpret_cast<const char*>(&forged_.header), sizeof(forged_.header));
  for (int i = 0; i < forged_.header.parent_count; ++i) {
    file.write(reinterpret_cast<const char*>(&forged_.header.regions), sizeof(format::RegionSet));
  }
  file.close();
  expect_cheap(
      [&] { EXPECT_THAT(message_of_walk(Image(path)), HasSubstr("directories overlap")); });
}

TEST_F(ResourceBomb, CyclesEnd) {
  for (const FileId length : {1, 2, 100}) {
    ForgedImage forged;
    const std::string path = forged.write(directory_.string(), forged.directory_chain(length, 1));
    expect_walks_end(path, "more than one name");
  }
}

TEST_F(ResourceBomb, AHundredThousandLevelsEnd) {
  const std::string path = forged_.write(directory_.string(), forged_.directory_chain(100'000, 1));
  expect_walks_end(path, "a path of more than 32767 characters");
}

TEST_F(ResourceBomb, FilesThatShareATableOfStreams) {
  constexpr std::size_t count = 5'000;
  std::vector<format::File> files(1 + count);
  files[0].default_stream = same_names(count, u"f", 2);
  const format::RegionOffset shared = stream_table(count);
  for (std::size_t i = 1; i <= count; ++i) files[i].stream_table = shared;
  const std::string path = forged_.write(directory_.string(), files);
  expect_cheap([&] {
    EXPECT_THAT(message_of_walk(Image(path)), HasSubstr("files overlap"));
    EXPECT_GT(errors_of_check(path), 0u);
  });
}

TEST_F(ResourceBomb, NamesOfAFileWithManyStreams) {
  constexpr std::size_t count = 30'000;
  std::vector<std::pair<std::u16string, FileId>> names;
  for (std::size_t i = 0; i < count; ++i) names.emplace_back(numbered_name(i), 2);
  std::vector<format::File> files(2);
  files[0].default_stream = forged_.directory(names);
  files[1].stream_table = stream_table(count);
  const std::string path = forged_.write(directory_.string(), files);
  expect_cheap([&] {
    EXPECT_THAT(message_of_walk(Image(path)), HasSubstr("files overlap"));
    errors_of_check(path);
  });
}

TEST_F(ResourceBomb, StreamsThatAreOneName) {
  constexpr std::size_t count = 2'000'000;
  std::vector<format::File> files(1);
  files[0].default_stream = forged_.directory({});
  files[0].stream_table = forged_.add_metadata(
      table_of_one_name(std::vector<format::Stream>(count), std::u16string(255, u'\u4E00')));
  const std::string path = forged_.write(directory_.string(), files);
  expect_cheap([&] {
    EXPECT_THAT(message_of_walk(Image(path)), HasSubstr("names overlap"));
    EXPECT_GT(errors_of_check(path), 0u);
  });
}

// Not a bomb, but slow if each name were compared with all before it.
TEST_F(ResourceBomb, AFileWithManyStreamsIsListed) {
  constexpr std::size_t count = 200'000;
  std::vector<format::File> files(1);
  files[0].default_stream = forged_.directory({});
  files[0].stream_table = stream_table(count);
  const std::string path = forged_.write(directory_.string(), files);
  expect_cheap([&] {
    const Image image(path);
    EXPECT_EQ(count, posix::list_xattrs(image, image.file(1)).size());
  });
}

TEST_F(ResourceBomb, ExecutablesThatShareTheirMappings) {
  constexpr std::size_t count = 30'000;
  constexpr std::uint16_t mappings = UINT16_MAX;
  std::vector<std::byte> executable(sizeof(format::PeImage) +
                                    mappings * sizeof(format::PeImageMapping));
  const format::PeImage header = {.data = forged_.add_data(std::string(mappings, 'x')),
                                  .data_length = mappings,
                                  .image_length = mappings,
                                  .mapping_count = mappings,
                                  .flags = 0};
  std::memcpy(executable.data(), &header, sizeof(header));
  for (std::uint32_t i = 0; i < mappings; ++i) {
    const format::PeImageMapping mapping = {.file_offset = i, .delta = 0};
    std::memcpy(&executable[sizeof(header) + i * sizeof(mapping)], &mapping, sizeof(mapping));
  }
  std::vector<format::File> files(1 + count);
  files[0].default_stream = same_names(count, u"f", 2);
  const format::Stream shared = {
      .data = forged_.add_metadata(executable),
      .length_and_type = mappings | std::uint64_t{2} << format::stream_type_shift};
  for (std::size_t i = 1; i <= count; ++i) files[i].default_stream = shared;
  const std::string path = forged_.write(directory_.string(), files);
  expect_cheap([&] { EXPECT_GT(errors_of_check(path), 0u); });
}

class MergeLinkBomb : public ResourceBomb {
 protected:
  // A root of `count` merge links, whose extended attributes are `distance` bytes apart.
  void write_links(std::size_t count, format::RegionOffset attributes, std::uint16_t length,
                   std::size_t distance) {
    std::vector<std::pair<std::u16string, FileId>> names;
    std::vector<format::File> files(1 + count);
    for (std::size_t i = 1; i <= count; ++i) {
      names.emplace_back(numbered_name(i), forged_.id(i));
      files[i].reparse_tag = format::tag_symlink;
      files[i].extended_attributes = attributes + i * distance;
      files[i].extended_attributes_length = length;
      files[i].parent = 1;
    }
    files[0] = {.default_stream = forged_.directory(names), .parent = 1};
    forged_.write(directory_.string(), files);
  }

  // Merging `image` alone and over another fails with `message`.
  void expect_refusals(const std::string& image, const std::string& message) {
    Writer({.directory = directory_.string(), .name = "empty.cim"}).commit();
    for (const auto& images :
         {std::vector<std::string>{image}, std::vector<std::string>{image, "empty.cim"}}) {
      expect_cheap([&] {
        EXPECT_THAT(message_of([&] {
                      Writer({.directory = directory_.string(), .name = "x.cim"}).merge(images);
                    }),
                    HasSubstr(message));
      });
    }
  }
};

TEST_F(MergeLinkBomb, LinksThatShareTheirTarget) {
  std::u16string target(32'000, u'x');
  for (std::size_t i = 200; i < target.size(); i += 200) target[i] = u'\\';
  format::EaBuilder list;
  list.add("CIMFS.MERGELINK", std::as_bytes(std::span(target)));
  const auto length = static_cast<std::uint16_t>(list.list().size());
  write_links(12'000, forged_.add_metadata(list.list()), length, 0);
  expect_refusals("forged.cim", "no image that is merged has it");
}

TEST_F(MergeLinkBomb, LinksWhoseTargetsOverlap) {
  constexpr std::size_t count = 12'000;
  format::EaBuilder list;
  list.add("CIMFS.MERGELINK", std::vector<std::byte>(60'000));
  const ByteView head = list.list().first(24);
  std::vector<std::byte> overlapping;
  for (std::size_t i = 0; i <= count; ++i) format::append(overlapping, head);
  format::append(overlapping, list.list());
  const auto length = static_cast<std::uint16_t>(list.list().size());
  write_links(count, forged_.add_metadata(overlapping), length, head.size());
  expect_refusals("forged.cim", "files overlap");
}

// Not a bomb, but slow if each link were followed to its end.
TEST_F(MergeLinkBomb, LinksThatLeadThroughEachOther) {
  constexpr std::size_t count = 30'000;
  {
    Writer writer({.directory = directory_.string(), .name = "links.cim"});
    for (std::size_t i = 0; i < count; ++i) {
      writer.create_merge_link(numbered_name(i), numbered_name(i + 1));
    }
    writer.commit();
  }
  expect_refusals("links.cim", "00030000: the merge link '");
  {
    Writer writer({.directory = directory_.string(), .existing = "links.cim"});
    writer.create_file(numbered_name(count), {}, 0).close();
    writer.commit();
  }
  expect_cheap([&] {
    Writer merging({.directory = directory_.string(), .name = "x.cim"});
    const std::vector<std::string> images = {"links.cim", "empty.cim"};
    merging.merge(images);
    EXPECT_EQ(Writer::Kind::file, merging.find(numbered_name(0)));
  });
}

}  // namespace
}  // namespace cim
