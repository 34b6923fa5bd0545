// Images that Windows made, found below the directory $CIMFS_WINDOWS_IMAGES: opened, walked,
// checked, mounted and built upon. None is part of the project.
#include <cstdlib>

#include <boost/filesystem.hpp>
#include <gtest/gtest.h>

#include "fixture.h"
#include "image/explorer.h"
#include "mount/mount.h"
#include "support/copied_file.h"
#include "support/image_content.h"
#include "transfer/directory_tree_view.h"
#include "transfer/image_tree_view.h"
#include "transfer/tree_comparison.h"

namespace cim::test {
namespace {

namespace fs = boost::filesystem;

class RealImagesTest : public MountTest {
 protected:
  void SetUp() override {
    MountTest::SetUp();
    if (IsSkipped()) return;
    const char* const directory = std::getenv("CIMFS_WINDOWS_IMAGES");
    if (directory == nullptr) GTEST_SKIP() << "CIMFS_WINDOWS_IMAGES is not set";
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(directory)) {
      if (entry.path().extension() == ".cim") images_.push_back(entry.path());
    }
    ASSERT_FALSE(images_.empty()) << directory;
  }

  // Brings `image` to where images are written: a copy of it, and links to the files beside it.
  void bring_here(const fs::path& image) const {
    const fs::path here = fresh().directory;
    for (const fs::directory_entry& entry : fs::directory_iterator(image.parent_path())) {
      const fs::path link = here / entry.path().filename();
      if (fs::exists(link) || entry.path().extension() == ".cim") continue;
      fs::create_symlink(fs::canonical(entry.path()), link);
    }
    copy_content(image.string(), (here / image.filename()).string());
  }

  std::vector<fs::path> images_;
};

std::uint64_t size_of_newest_set(const Image& image) {
  std::uint64_t size = 0;
  const RegionSetInfo newest = image.region_sets().back();
  for (const RegionInfo& region : newest.regions) size += region.size;
  return size;
}

TEST_F(RealImagesTest, AreSound) {
  for (const fs::path& path : images_) {
    SCOPED_TRACE(path);
    EXPECT_EQ(0, Explorer(path.string()).explore());
    EXPECT_EQ(0u, errors_of_check(path.string(), true));
  }
}

TEST_F(RealImagesTest, AreMountedAsTheyAre) {
  for (const fs::path& path : images_) {
    SCOPED_TRACE(path);
    bring_here(path);
    const std::string mounted = mount(path.filename().string());
    {
      transfer::ImageTreeView image(path.string());
      transfer::DirectoryTreeView directory(mounted);
      const auto difference = transfer::TreeComparison(image, directory).next();
      EXPECT_FALSE(difference) << difference->path;
    }
    unmount_image(mounted);
  }
}

// A fork has what its base has, and finds data in the base that it is given again.
TEST_F(RealImagesTest, AreForked) {
  for (const fs::path& path : images_) {
    SCOPED_TRACE(path);
    bring_here(path);
    const Image original(path.string());
    std::u16string largest;
    std::uint64_t length = 0;
    const Directory entries = original.entries(original.file(original.root()));
    EntryName name;
    for (std::uint32_t i = 0; i < entries.size(); ++i) {
      const File file = original.file(original.entry(entries, i, name));
      if (file.is_directory() || file.stream.length < length) continue;
      largest = name.view();
      length = file.stream.length;
    }
    {
      Writer writer(forking(path.filename().string(), "fork.cim"));
      if (!largest.empty()) put(writer, u"again", content(original, largest));
      writer.create_directory(u"new directory", {});
      writer.commit();
    }
    const Image fork(image_path("fork.cim"));
    EXPECT_EQ(0u, errors_of_check(image_path("fork.cim"), true));
    if (!largest.empty()) {
      EXPECT_EQ(file_at(original, largest).stream.region_offset,
                file_at(fork, u"again").stream.region_offset);
    }
    EXPECT_LT(size_of_newest_set(fork), size_of_newest_set(original));
    fs::remove(image_path("fork.cim"));
  }
}

}  // namespace
}  // namespace cim::test
