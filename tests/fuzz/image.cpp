// An image. The input is a byte that chooses a good one, and a list of edits to the files of that.
#include <memory>
#include <vector>

#include "fuzz/edited_files.h"
#include "fuzz/input.h"
#include "image/corruption.h"
#include "image/explorer.h"
#include "support/temporary_directory.h"

namespace cim::fuzz {
namespace {

class GoodImage {
 public:
  explicit GoodImage(const test::BreakableImage& image) : files_(make(image)) {}

  std::string path() const { return directory_ / "a.cim"; }

  void edit(Input& input) { files_.edit(input); }
  void restore() { files_.restore(); }

 private:
  EditedFiles make(const test::BreakableImage& image) const {
    image.make(directory_.string());
    std::vector<std::string> paths;
    for (const auto& entry : boost::filesystem::directory_iterator(directory_.path())) {
      if (!entry.path().filename().string().starts_with("objectid")) {
        paths.push_back(entry.path().string());
      }
    }
    return {std::move(paths), {upcase_table_of(Image(path()))}};
  }

  test::TemporaryDirectory directory_;
  EditedFiles files_;
};

std::vector<std::unique_ptr<GoodImage>> good_images() {
  std::vector<std::unique_ptr<GoodImage>> images;
  for (const test::BreakableImage& image : test::breakable_images) {
    images.push_back(std::make_unique<GoodImage>(image));
  }
  return images;
}

}  // namespace
}  // namespace cim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto images = cim::fuzz::good_images();
  cim::fuzz::Input input(data, size);
  cim::fuzz::GoodImage& image = *images[input.take<std::uint8_t>() % images.size()];
  while (!input.empty()) image.edit(input);
  cim::test::Explorer explorer(image.path());
  explorer.explore();
  // Otherwise a check mostly looks for tens of thousands of region files.
  if (explorer.opened()) cim::test::errors_of_check(image.path());
  image.restore();
  return 0;
}
