// What a daemon reads from the disk besides what it was asked for.
#include <boost/filesystem.hpp>
#include <fmt/format.h>
#include <gtest/gtest.h>

#include "fixture.h"
#include "support/image_content.h"

namespace cim::test {
namespace {

constexpr std::size_t mebibyte = 1 << 20;
constexpr std::size_t file_size = 32 * 1024;
constexpr std::size_t files_per_mebibyte = mebibyte / file_size;
constexpr std::size_t image_mebibytes = 24;

std::string name_of(std::size_t file) { return fmt::format("{:04}", file); }

// A mount of small files that lie side by side, none of them in the page cache.
class ReadAroundTest : public MountTest {
 protected:
  void SetUp() override {
    MountTest::SetUp();
    if (IsSkipped()) return;
    const std::string content = random_content(file_size);
    root_ = mount_of(
        [&](Writer& writer) {
          for (std::size_t i = 0; i < image_mebibytes * files_per_mebibyte; ++i) {
            put(writer, linux_to_image_path(name_of(i)), name_of(i) + content.substr(4));
          }
        },
        {"prefetch=0"});
    region_ = region_paths(image_path(), RegionType::data).at(0);
    drop_cached(region_);
    if (cached() != 0) GTEST_SKIP() << "the file system keeps all in memory";
  }

  // Reads the first file that begins after this many bytes of others.
  void read_behind(std::size_t bytes) const {
    const std::string name = name_of(bytes / file_size + 1);
    EXPECT_EQ(read_file(root_ + name).substr(0, name.size()), name);
  }

  // How much of the data of all files is in the page cache.
  std::size_t cached() const {
    return cached_bytes(region_, boost::filesystem::file_size(region_));
  }

  // The same, once it is at least `bytes` or some time has passed.
  std::size_t wait_for_cached(std::size_t bytes) const {
    wait_until([&] { return cached() >= bytes; });
    return cached();
  }

 private:
  std::string root_;
  std::string region_;
};

TEST_F(ReadAroundTest, OneFileIsReadWithLittleElse) {
  read_behind(10 * mebibyte);
  EXPECT_GE(wait_for_cached(mebibyte / 8), mebibyte / 8);
  EXPECT_LE(cached(), mebibyte);
}

TEST_F(ReadAroundTest, FilesFarFromEachOtherAreReadWithLittleElse) {
  for (const std::size_t position : {1, 9, 17}) read_behind(position * mebibyte);
  EXPECT_GE(wait_for_cached(3 * mebibyte / 8), 3 * mebibyte / 8);
  EXPECT_LE(cached(), 3 * mebibyte);
}

TEST_F(ReadAroundTest, WhatIsReadDenselyIsReadAsAWhole) {
  read_behind(9 * mebibyte);
  read_behind(9 * mebibyte + mebibyte / 2);
  EXPECT_GE(wait_for_cached(mebibyte), mebibyte);
  EXPECT_LE(cached(), 3 * mebibyte);
  read_behind(13 * mebibyte);
  read_behind(13 * mebibyte + mebibyte / 2);
  EXPECT_GE(wait_for_cached(8 * mebibyte), 8 * mebibyte);
  EXPECT_LE(cached(), 12 * mebibyte);
}

}  // namespace
}  // namespace cim::test
