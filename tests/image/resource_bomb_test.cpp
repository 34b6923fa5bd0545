// What an image claims costs no time and no memory before it is proven. The bombs here would take
// minutes, or gigabytes, of a reader that believes them.
#include <algorithm>
#include <ctime>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "image/check.h"
#include "image/forged_image.h"
#include "support/temporary_directory.h"
#include "transfer/image_walk.h"

namespace cim {
namespace {

using test::ForgedImage;
using testing::HasSubstr;
using transfer::ImageWalk;

struct Silence : CheckObserver {
  void found(bool, const std::string&) override {}
  void expect(std::uint64_t, std::uint64_t) override {}
  void advance(std::uint64_t, std::uint64_t) override {}
};

// Directories share link tables and entries share names, as no writer makes them.
class ResourceBomb : public testing::Test {
 protected:
  ~ResourceBomb() override {
    const double seconds = static_cast<double>(std::clock() - start_) / CLOCKS_PER_SEC;
    EXPECT_LT(seconds, 10);
    rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    EXPECT_LT(usage.ru_maxrss, 1024 * 1024) << "KiB of memory";
  }

  // A directory of entries that are all called `name` and lead to first, first + 1, ...
  format::Stream same_names(std::size_t count, std::u16string_view name, FileId first) {
    std::vector<std::uint32_t> table(2 + 2 * count);
    const auto names = static_cast<std::uint32_t>(table.size() * sizeof(std::uint32_t));
    const std::size_t length = names + sizeof(std::uint16_t) + name.size() * sizeof(char16_t);
    table[0] = static_cast<std::uint32_t>(length);
    table[1] = static_cast<std::uint32_t>(count);
    for (std::size_t i = 0; i < count; ++i) {
      table[2 + i] = first + static_cast<FileId>(i);
      table[2 + count + i] = names;
    }
    const auto units = static_cast<std::uint16_t>(name.size());
    std::vector<std::byte> bytes(length);
    std::memcpy(bytes.data(), table.data(), names);
    std::memcpy(&bytes[names], &units, sizeof(units));
    std::memcpy(&bytes[names + sizeof(units)], name.data(), name.size() * sizeof(char16_t));
    return {.data = forged_.add_metadata(bytes),
            .length_and_type = length | std::uint64_t{1} << format::stream_type_shift};
  }

  // A root whose `count` directories have one link table, which names `count` files.
  std::string shared_link_table(std::size_t count) {
    std::vector<format::File> files(1 + 2 * count);
    files[0].default_stream = same_names(count, u"d", 2);
    const format::Stream shared = same_names(count, u"f", static_cast<FileId>(2 + count));
    for (std::size_t i = 1; i <= count; ++i) files[i].default_stream = shared;
    return forged_.write(directory_.string(), files);
  }

  static std::string message_of_walk(const Image& image) {
    ImageWalk walk(image, {});
    try {
      while (walk.next() != ImageWalk::Step::end) {
      }
    } catch (const Error& error) {
      EXPECT_EQ(Errc::corrupt, error.code());
      return error.what();
    }
    return "(ends)";
  }

  static std::uint64_t errors_of_check(const std::string& path) {
    Silence silence;
    return check_image(path, false, silence).errors;
  }

  const test::TemporaryDirectory directory_;
  ForgedImage forged_;

 private:
  const std::clock_t start_ = std::clock();
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
  EXPECT_THROW(Image image(path), Error);
  EXPECT_GT(errors_of_check(path), 0u);
}

TEST_F(ResourceBomb, FileTablesThatAreOneTableAreRefused) {
  forged_.extra_file_tables = 1'000'000;
  std::vector<format::File> files(format::files_per_table);
  files[0].default_stream = forged_.directory({});
  const std::string path = forged_.write(directory_.string(), files);
  try {
    const Image image(path);
    FAIL() << "opened";
  } catch (const Error& error) {
    EXPECT_EQ(Errc::corrupt, error.code());
    EXPECT_THAT(error.what(), HasSubstr("file tables overlap"));
  }
  EXPECT_GT(errors_of_check(path), 0u);
}

TEST_F(ResourceBomb, DirectoriesThatAreOneLinkTable) {
  const std::string path = shared_link_table(30'000);
  const Image image(path);
  EXPECT_THAT(message_of_walk(image), HasSubstr("directories overlap"));
  image.link_counts();
  EXPECT_GT(errors_of_check(path), 0u);
}

TEST_F(ResourceBomb, EntriesThatAreOneName) {
  std::vector<format::File> files(1);
  files[0].default_stream = same_names(2'000'000, std::u16string(255, u'\u4E00'), 1);
  const std::string path = forged_.write(directory_.string(), files);
  const Image image(path);
  EXPECT_THAT(message_of_walk(image), HasSubstr("directories overlap"));
  image.link_counts();
  EXPECT_GT(errors_of_check(path), 0u);
}

// More metadata by naming the same region files again is no way around the bound.
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
  EXPECT_THAT(message_of_walk(Image(path)), HasSubstr("directories overlap"));
}

TEST_F(ResourceBomb, CyclesEnd) {
  for (const FileId length : {1, 2, 100}) {
    ForgedImage forged;
    const std::string path = forged.write(directory_.string(), forged.directory_chain(length, 1));
    const Image image(path);
    EXPECT_THAT(message_of_walk(image), HasSubstr("more than one name"));
    image.link_counts();
    EXPECT_GT(errors_of_check(path), 0u);
  }
}

TEST_F(ResourceBomb, AHundredThousandLevelsEnd) {
  const std::string path = forged_.write(directory_.string(), forged_.directory_chain(100'000, 1));
  const Image image(path);
  EXPECT_THAT(message_of_walk(image), HasSubstr("a path of more than 32767 characters"));
  image.link_counts();
  EXPECT_GT(errors_of_check(path), 0u);
}

}  // namespace
}  // namespace cim
