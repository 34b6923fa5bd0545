// An image. The input is a list of edits to the files of a good one, so that the headers survive
// and the fuzzer gets deep. An edit is 16 bytes: which file, how, two spare, u32 where, u64 value.
#include <fstream>
#include <iterator>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "format/upcase.h"
#include "fuzz/input.h"
#include "image/base.h"
#include "image/explorer.h"
#include "image/file_descriptor.h"
#include "image/sample_image.h"
#include "support/temporary_directory.h"

namespace cim::fuzz {
namespace {

constexpr std::uint64_t upcase_size = format::upcase_entries * sizeof(char16_t);

struct ImageFile {
  std::string content;
  FileDescriptor fd;
};

class GoodImage {
 public:
  GoodImage() {
    test::write_sample_image(directory_.string());
    test::extend(directory_.string(), "a.cim");
    std::vector<std::string> paths;
    for (const auto& entry : boost::filesystem::directory_iterator(directory_.path())) {
      if (!entry.path().filename().string().starts_with("objectid")) {
        paths.push_back(entry.path().string());
      }
    }
    // The same order in each run: by the size of the files, since their names are digests.
    std::ranges::sort(paths, {}, [](const std::string& file_path) {
      return boost::filesystem::file_size(file_path);
    });
    for (const std::string& file_path : paths) {
      std::ifstream file(file_path, std::ios::binary);
      files_.push_back({{std::istreambuf_iterator<char>(file), {}},
                        FileDescriptor(::open(file_path.c_str(), O_RDWR | O_CLOEXEC))});
    }
    const Image image(path());
    upcase_begin_ = format::byte_offset(BaseImage(image).upcase_table());
  }

  std::string path() const { return directory_ / "a.cim"; }

  void edit(Input& input) {
    const ImageFile& file = files_[input.take<std::uint8_t>() % files_.size()];
    const auto how = input.take<std::uint8_t>();
    input.take<std::uint16_t>();
    std::uint64_t offset = input.take<std::uint32_t>();
    auto value = input.take<std::uint64_t>();
    if (file.content.size() > upcase_begin_ + upcase_size) {
      offset %= file.content.size() - upcase_size;
      if (offset >= upcase_begin_) offset += upcase_size;
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
  // The original value at `offset`, `by` more, so that a field points near to where it did.
  static std::uint64_t moved(const ImageFile& file, std::uint64_t offset, std::uint64_t by) {
    std::uint64_t value = 0;
    file.content.copy(reinterpret_cast<char*>(&value), sizeof(value), offset);
    return value + by;
  }

  test::TemporaryDirectory directory_;
  std::vector<ImageFile> files_;

  // Where the upcase table is. Edits leave it alone, or nearly all would hit it.
  std::uint64_t upcase_begin_ = 0;
};

}  // namespace
}  // namespace cim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static cim::fuzz::GoodImage image;
  cim::fuzz::Input input(data, size);
  while (!input.empty()) image.edit(input);
  cim::test::Explorer explorer(image.path());
  explorer.explore();
  // Otherwise a check mostly looks for tens of thousands of region files.
  if (explorer.opened()) cim::test::errors_of_check(image.path());
  image.restore();
  return 0;
}
