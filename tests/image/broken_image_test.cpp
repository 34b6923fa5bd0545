// Broken images: every use of one ends in an Error that names the image, or in a correct answer.
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "image/explorer.h"
#include "image/foreign_tree.h"
#include "image/forged_image.h"
#include "image/sample_image.h"
#include "support/temporary_directory.h"

namespace cim {
namespace {

using test::Explorer;
using test::ForgedImage;
using testing::AllOf;
using testing::HasSubstr;

std::string slurp(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

void spill(const std::string& path, std::string_view content) {
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(content.data(), static_cast<std::streamsize>(content.size()));
}

class BrokenImageTest : public testing::Test {
 protected:
  BrokenImageTest() {
    test::write_sample_image(directory_.string());
    for (const auto& entry : boost::filesystem::directory_iterator(directory_.path())) {
      const std::string name = entry.path().filename().string();
      if (!name.starts_with("objectid")) files_.push_back(directory_ / name);
    }
  }

  int explore() { return Explorer(directory_ / "a.cim").explore(); }

  // The region file of type `type`.
  std::string region(RegionType type) {
    const std::vector<RegionSetInfo> sets = Image(directory_ / "a.cim").region_sets();
    for (const RegionInfo& info : sets.at(0).regions) {
      if (info.type == type) return info.path;
    }
    return {};
  }

  std::string message_of_open() {
    try {
      Image image(directory_ / "a.cim");
    } catch (const Error& error) {
      return error.what();
    }
    return "(opens)";
  }

  test::TemporaryDirectory directory_;
  std::vector<std::string> files_;  // of the image, without object ids
};

TEST_F(BrokenImageTest, TheGoodImageHasNoErrors) { EXPECT_EQ(0, explore()); }

TEST_F(BrokenImageTest, EveryTruncationIsAnError) {
  for (const std::string& path : files_) {
    const std::string good = slurp(path);
    const std::size_t end = good.find_last_not_of('\0') + 1;  // without the padding
    const std::size_t step = std::max<std::size_t>(1, end / 300);
    for (std::size_t size = 0; size < end; size += step) {
      spill(path, std::string_view(good).substr(0, size));
      EXPECT_GT(explore(), 0) << path << " of " << size << " bytes";
    }
    spill(path, good);
  }
  EXPECT_EQ(0, explore());
}

TEST_F(BrokenImageTest, NoChangedByteDoesHarm) {
  constexpr std::size_t upcase_end = 48 + 2 * format::upcase_entries;
  for (const std::string& path : files_) {
    const std::string bytes = slurp(path);
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    const auto put = [&](std::size_t offset, int value) {
      file.seekp(static_cast<std::streamoff>(offset)).put(static_cast<char>(value)).flush();
    };
    for (std::size_t i = 0; i < bytes.size(); ++i) {
      if (bytes.size() > upcase_end && i > 500 && i < upcase_end) continue;  // the upcase table
      if (i > 500 && bytes.size() < upcase_end) break;                       // data
      for (const int value : {0, 0xFF, bytes[i] + 1}) {
        put(i, value);
        explore();  // under a sanitizer, this is what is tested
      }
      put(i, bytes[i]);
    }
  }
  EXPECT_EQ(0, explore());
}

TEST_F(BrokenImageTest, NoChangedByteOfAnyVersionDoesHarm) {
  for (const std::uint32_t version : {1u, 2u, 3u}) {
    const test::TemporaryDirectory directory;
    const test::ForeignTree tree(directory.string(), version, {});
    const std::string& path = tree.path();
    const std::string metadata = tree.forged().region_path(directory.string(), 0);
    const std::size_t end = slurp(metadata).size();
    const std::size_t upcase = format::byte_offset(tree.forged().filesystem.upcase_table);
    for (std::size_t i = 0; i < end; ++i) {
      if (i >= upcase && i < upcase + 2 * format::upcase_entries) continue;
      const auto original = test::read_object<std::uint8_t>(metadata, i);
      for (const int value : {0, 0xFF, original + 1}) {
        test::write_bytes(metadata, i, format::bytes_of(static_cast<std::uint8_t>(value)));
        Explorer(path).explore();  // under a sanitizer, this is what is tested
        test::errors_of_check(path);
      }
      test::write_bytes(metadata, i, format::bytes_of(original));
    }
    EXPECT_EQ(0, Explorer(path).explore());
  }
}

TEST_F(BrokenImageTest, DataCutOffFromAnOpenImageIsNotTakenForAHole) {
  const Image image(directory_ / "a.cim");
  const Stream stream = test::file_at(image, u"d\\large").stream;
  ASSERT_EQ(0, truncate(region(RegionType::data).c_str(), 8192));
  std::array<std::byte, 4096> buffer;
  EXPECT_EQ(4096u, image.read(stream, 0, buffer));
  EXPECT_THROW(image.read(stream, 8192, buffer), Error);
  EXPECT_THROW(image.seek(stream, 0, true), Error);
  EXPECT_THROW(image.seek(stream, 10000, false), Error);
}

TEST_F(BrokenImageTest, AForeignFileIsNamed) {
  spill(directory_ / "a.cim", "#!/bin/sh\n" + std::string(100, ' '));
  EXPECT_THAT(message_of_open(), AllOf(HasSubstr("a.cim"), HasSubstr("magic")));
}

TEST_F(BrokenImageTest, AMissingRegionFileIsNamed) {
  const std::string path = region(RegionType::small_data);
  ASSERT_EQ(0, unlink(path.c_str()));
  EXPECT_EQ(message_of_open(), directory_ / "a.cim" + ": " + path + ": No such file or directory");
}

TEST_F(BrokenImageTest, ARegionFileInAnothersPlaceIsNoticed) {
  spill(region(RegionType::metadata), slurp(region(RegionType::data)));
  EXPECT_THAT(message_of_open(), HasSubstr("is not in a metadata region"));
}

TEST_F(BrokenImageTest, NamesThatNoFileMayHaveAreErrors) {
  for (const std::u16string& name :
       {std::u16string(u"."), std::u16string(u".."), std::u16string(u"a/b"),
        std::u16string(u"a\\b"), std::u16string(u"a\0b", 3), std::u16string(),
        std::u16string(256, u'n')}) {
    ForgedImage forged;
    const format::File root = {.default_stream = forged.directory({{name, 2}})};
    const Image image(forged.write(directory_.string(), {root, {}}));
    EntryName entry;
    const Directory directory = image.entries(image.file(1));
    EXPECT_THROW(image.entry(directory, 0, entry), Error) << image_to_linux_name(name);
  }
}

TEST_F(BrokenImageTest, ClaimsThatNothingStandsBehindCostNothing) {
  ForgedImage forged;
  const format::File root = {.default_stream = forged.directory({})};
  const std::string path = forged.write(directory_.string(), {root});
  const std::string metadata = forged.region_path(directory_.string(), 0);
  std::string bytes = slurp(metadata);
  const std::uint32_t many = UINT32_MAX;
  std::memcpy(&bytes[format::byte_offset(forged.header.filesystem) + 16], &many, sizeof(many));
  spill(metadata, bytes);
  EXPECT_THROW(Image image(path), Error);
}

}  // namespace
}  // namespace cim
