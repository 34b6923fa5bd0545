// Chains of forks with more region files than the process may have descriptors.
#include <array>

#include <boost/filesystem.hpp>
#include <cim/image.h>
#include <cim/writer.h>
#include <fmt/format.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include "support/image_content.h"
#include "support/temporary_directory.h"

namespace cim {
namespace {

namespace fs = boost::filesystem;

constexpr int images = 20;
constexpr rlim_t max_descriptors = 40;  // of which an image may take 10

std::u16string name(const std::string& kind, int image) {
  return linux_to_image_name(kind + std::to_string(image));
}

std::string large_content(int image) {
  return std::string(20000 + image * 5000, static_cast<char>('a' + image));
}

class DescriptorLimit : public testing::Test {
 protected:
  DescriptorLimit() {
    getrlimit(RLIMIT_NOFILE, &before_);
    const rlimit limit = {.rlim_cur = max_descriptors, .rlim_max = before_.rlim_max};
    setrlimit(RLIMIT_NOFILE, &limit);
  }
  ~DescriptorLimit() override { setrlimit(RLIMIT_NOFILE, &before_); }

  std::string path(int image) const { return directory_ / fmt::format("{}.cim", image); }

  // Options to make image `image`, a fork of the one before if there is one.
  Writer::Options options(int image) const {
    Writer::Options options = {.directory = directory_.string(),
                               .name = fmt::format("{}.cim", image)};
    if (image > 0) options.existing = fmt::format("{}.cim", image - 1);
    return options;
  }

  // Each with a file in a region of small data, and one in a region of data.
  void create_chain() const {
    for (int i = 0; i < images; ++i) {
      Writer writer(options(i));
      test::put(writer, name("small", i), fmt::format("content {}", i));
      test::put(writer, name("large", i), large_content(i));
      writer.commit();
    }
  }

  const test::TemporaryDirectory directory_;

 private:
  rlimit before_ = {};
};

TEST_F(DescriptorLimit, KeepsAChainFromNobody) {
  create_chain();
  const Image image(path(images - 1));
  for (const auto& entry : fs::directory_iterator(directory_.string())) fs::remove(entry.path());
  for (int i = 0; i < images; ++i) {
    EXPECT_EQ(test::content(image, name("small", i)), fmt::format("content {}", i));
    EXPECT_TRUE(test::content(image, name("large", i)) == large_content(i)) << i;
  }
}

TEST_F(DescriptorLimit, LeavesDescriptorsToTheLargestFiles) {
  create_chain();
  const Image image(path(images - 1));
  for (int i = 0; i < images; ++i) {
    const Extent extent = image.extent(test::file_at(image, name("large", i)).stream, 0, SIZE_MAX);
    EXPECT_EQ(extent.fd >= 0, i >= images - static_cast<int>(max_descriptors / 4)) << i;
    EXPECT_EQ(extent.bytes == nullptr, extent.fd >= 0) << i;
    EXPECT_EQ(extent.length, large_content(i).size());
  }
}

TEST_F(DescriptorLimit, DoesNotHideWhereDataIs) {
  create_chain();
  const Image image(path(images - 1));
  for (const int i : {0, images - 1}) {
    const Stream stream = test::file_at(image, name("large", i)).stream;
    EXPECT_EQ(image.seek(stream, 5, true), 5u);
    EXPECT_EQ(image.seek(stream, 5, false), stream.length);
  }
}

// Data of more than 4 MiB is compared where it is, not in memory.
TEST_F(DescriptorLimit, DoesNotKeepDataFromBeingShared) {
  constexpr std::size_t size = 5 << 20;
  const auto put = [](Writer& writer, const std::u16string& path, int image) {
    WriteStream stream = writer.create_file(path, {}, size);
    stream.write_at(size / 2, test::bytes(fmt::format("content {}", image)));
    stream.close();
  };
  for (int i = 0; i < images; ++i) {
    Writer writer(options(i));
    put(writer, name("file", i), i);
    writer.commit();
  }
  Writer writer(options(images));
  for (int i = 0; i < images; ++i) put(writer, name("equal", i), i);
  writer.commit();
  const Image image(path(images));
  for (int i = 0; i < images; ++i) {
    EXPECT_EQ(test::file_at(image, name("equal", i)).stream.region_offset,
              test::file_at(image, name("file", i)).stream.region_offset);
  }
}

}  // namespace
}  // namespace cim
