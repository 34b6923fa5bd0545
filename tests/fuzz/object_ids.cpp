// Object id files: the input replaces those of an image, and a writer builds on the result. An odd
// first byte: the input is the whole file; even: the header's count and the entries.
#include <fstream>
#include <vector>

#include <cim/writer.h>

#include "format/layout.h"
#include "fuzz/input.h"
#include "image/region.h"
#include "support/image_content.h"
#include "support/temporary_directory.h"

namespace cim::fuzz {
namespace {

class BaseDirectory {
 public:
  BaseDirectory() {
    Writer writer({.directory = directory_.string(), .existing = {}, .name = "a.cim"});
    test::put(writer, u"small", "content");
    test::put(writer, u"large", std::string(5000, 'x'));
    writer.commit();
    for (const auto& entry : boost::filesystem::directory_iterator(directory_.path())) {
      if (entry.path().filename().string().starts_with("objectid")) {
        paths_.push_back(entry.path().string());
      }
    }
    std::ifstream file(paths_.at(0), std::ios::binary);
    header_.resize(sizeof(format::ObjectIdHeader));
    file.read(header_.data(), static_cast<std::streamsize>(header_.size()));
  }

  void replace(Input input) const {
    const bool whole = input.take<std::uint8_t>() % 2 != 0;
    std::string content = whole ? std::string() : header_;
    if (!whole) {
      const auto count = input.take<std::uint32_t>();
      std::memcpy(&content[offsetof(format::ObjectIdHeader, count)], &count, sizeof(count));
    }
    const ByteView rest = input.rest();
    content.append(reinterpret_cast<const char*>(rest.data()), rest.size());
    for (const std::string& path : paths_) {
      if (!whole) set_index(content, path);
      std::ofstream(path, std::ios::binary) << content;
    }
  }

  void build() const {
    Writer writer({.directory = directory_.string(), .existing = "a.cim", .name = "b.cim"});
    test::put(writer, u"again", "content");
    test::put(writer, u"more", std::string(5000, 'x'));
    test::put(writer, u"other", "other");
  }

 private:
  static void set_index(std::string& content, const std::string& path) {
    const auto name = parse_region_file_name(path.substr(path.rfind('/') + 1));
    const std::uint16_t index = name.value().index;
    std::memcpy(&content[offsetof(format::ObjectIdHeader, index)], &index, sizeof(index));
  }

  test::TemporaryDirectory directory_;
  std::vector<std::string> paths_;
  std::string header_;
};

}  // namespace
}  // namespace cim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const cim::fuzz::BaseDirectory base;
  base.replace(cim::fuzz::Input(data, size));
  try {
    base.build();
  } catch (const cim::Error&) {
  }
  return 0;
}
