// What copying and moving images tells of its progress.
#include "transfer/image_copy.h"

#include <boost/filesystem.hpp>
#include <gtest/gtest.h>

#include "support/temporary_directory.h"
#include "tree.h"

namespace cim::transfer {
namespace {

namespace fs = boost::filesystem;

class ImageCopyProgress : public testing::Test {
 protected:
  ImageCopyProgress() {
    for (const char* name : {"source", "images", "there", "elsewhere"}) {
      fs::create_directory(directory_ / name);
    }
    write_file(directory_ / "source/file", std::string(300'000, 'x'));
    make_image(directory_ / "images", "image.cim", directory_ / "source");
  }

  using Transfer = void (*)(const ImageCopyOptions&, Progress&);

  // Expects that the work done is that which was measured. Returns the number of files.
  std::uint64_t bring(Transfer transfer, const std::string& source, const std::string& directory,
                      const std::string& name) const {
    const ImageCopyOptions options = {
        .source = directory_ / source, .directory = directory_ / directory, .name = name};
    const Amount expected = measure_image_copy(options);
    RecordingProgress progress;
    transfer(options, progress);
    EXPECT_EQ(progress.done.files, expected.files) << source << " " << directory;
    EXPECT_EQ(progress.done.bytes, expected.bytes) << source << " " << directory;
    return expected.files;
  }

  const test::TemporaryDirectory directory_;
};

TEST_F(ImageCopyProgress, EndsAtTheAmountThatWasMeasured) {
  const auto files = static_cast<std::uint64_t>(
      std::distance(fs::directory_iterator(directory_ / "images"), fs::directory_iterator()));
  EXPECT_EQ(bring(copy_image, "images/image.cim", "there", "image.cim"), files);
  EXPECT_EQ(bring(copy_image, "images/image.cim", "there", "again.cim"), files);
  EXPECT_EQ(bring(copy_image, "images/image.cim", "images", "copy.cim"), 1U);
  EXPECT_EQ(bring(move_image, "images/copy.cim", "images", "moved.cim"), 1U);
  EXPECT_EQ(bring(move_image, "images/moved.cim", "there", "moved.cim"), files);
  EXPECT_EQ(bring(move_image, "images/image.cim", "elsewhere", "image.cim"), files);
}

}  // namespace
}  // namespace cim::transfer
