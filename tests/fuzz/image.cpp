// An image. The input is a byte that chooses a good one, and a list of edits to the files of that,
// so that the headers survive and the fuzzer gets deep. An edit is 16 bytes: which file, how, two
// spare, u32 where, u64 value.
#include <fstream>
#include <iterator>
#include <memory>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "fuzz/input.h"
#include "image/corruption.h"
#include "image/explorer.h"
#include "image/file_descriptor.h"
#include "image/internals.h"
#include "image/sample_image.h"
#include "support/temporary_directory.h"

namespace cim::fuzz {
namespace {

constexpr std::uint64_t upcase_size = format::upcase_entries * sizeof(char16_t);

struct ImageFile {
  std::string content;
  FileDescriptor fd;
  std::uint64_t upcase_table;  // where it begins; 0: elsewhere
};

class GoodImage {
 public:
  explicit GoodImage(const test::BreakableImage& image) {
    image.make(directory_.string());
    std::vector<std::string> paths;
    for (const auto& entry : boost::filesystem::directory_iterator(directory_.path())) {
      if (!entry.path().filename().string().starts_with("objectid")) {
        paths.push_back(entry.path().string());
      }
    }
    // In the same order in each run: by the size of the files first, since names may be digests.
    std::ranges::sort(paths, {}, [](const std::string& file_path) {
      return std::pair(boost::filesystem::file_size(file_path), file_path);
    });
    const Image opened(path());
    const format::RegionOffset upcase = ImageInternals(opened).upcase_table();
    const std::string upcase_path = test::region_paths(opened).at(format::region_index(upcase));
    for (const std::string& file_path : paths) {
      std::ifstream file(file_path, std::ios::binary);
      files_.push_back({{std::istreambuf_iterator<char>(file), {}},
                        FileDescriptor(::open(file_path.c_str(), O_RDWR | O_CLOEXEC)),
                        file_path == upcase_path ? format::byte_offset(upcase) : 0});
    }
  }

  std::string path() const { return directory_ / "a.cim"; }

  void edit(Input& input) {
    const ImageFile& file = files_[input.take<std::uint8_t>() % files_.size()];
    const auto how = input.take<std::uint8_t>();
    input.take<std::uint16_t>();
    std::uint64_t offset = input.take<std::uint32_t>();
    auto value = input.take<std::uint64_t>();
    if (file.upcase_table != 0) {  // otherwise nearly all edits would hit that
      offset %= file.content.size() - upcase_size;
      if (offset >= file.upcase_table) offset += upcase_size;
    } else {
      offset %= file.content.size();
    }
    if (how & 4) offset &= ~std::uint64_t{3};  // most fields are aligned
    const std::size_t width =
        std::min<std::uint64_t>(std::size_t{1} << (how & 3), file.content.size() - offset);
    if (how & 8) value = moved(file, offset, value);
    if (pwrite(file.fd.get(), &value, width, static_cast<off_t>(offset)) < 0) abort();
  }

  void restore() {
    for (const ImageFile& file : files_) {
      if (pwrite(file.fd.get(), file.content.data(), file.content.size(), 0) < 0) abort();
    }
  }

 private:
  // The original value at `offset` plus `by`, so that a field points near where it did.
  static std::uint64_t moved(const ImageFile& file, std::uint64_t offset, std::uint64_t by) {
    std::uint64_t value = 0;
    file.content.copy(reinterpret_cast<char*>(&value), sizeof(value), offset);
    return value + by;
  }

  test::TemporaryDirectory directory_;
  std::vector<ImageFile> files_;
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
