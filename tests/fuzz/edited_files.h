// Breaks the files of images as an input says: their headers survive, and the fuzzer gets deep.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <boost/filesystem.hpp>
#include <cim/image.h>
#include <fcntl.h>
#include <unistd.h>

#include "format/upcase.h"
#include "fuzz/input.h"
#include "image/file_descriptor.h"
#include "image/internals.h"
#include "image/sample_image.h"

namespace cim::fuzz {

// Where the upcase table of an image is: the path of a file, and an offset in that.
inline std::pair<std::string, std::uint64_t> upcase_table_of(const Image& image) {
  const format::RegionOffset table = ImageInternals(image).upcase_table();
  return {test::region_paths(image).at(format::region_index(table)), format::byte_offset(table)};
}

// Files whose bytes are edited in place. An edit is 16 bytes: which file, how, two spare, u32
// where, u64 value.
class EditedFiles {
 public:
  // `upcase_tables`: where they begin, by the path of the file. No edit hits these.
  EditedFiles(std::vector<std::string> paths,
              const std::map<std::string, std::uint64_t>& upcase_tables) {
    // In the same order in each run: by the size of the files first, since names may be digests.
    std::ranges::sort(paths, {}, [](const std::string& path) {
      return std::pair(boost::filesystem::file_size(path), path);
    });
    for (const std::string& path : paths) {
      std::ifstream file(path, std::ios::binary);
      const auto table = upcase_tables.find(path);
      files_.push_back({{std::istreambuf_iterator<char>(file), {}},
                        FileDescriptor(::open(path.c_str(), O_RDWR | O_CLOEXEC)),
                        table == upcase_tables.end() ? 0 : table->second});
    }
  }

  void edit(Input& input) {
    const EditedFile& file = files_[input.take<std::uint8_t>() % files_.size()];
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
    for (const EditedFile& file : files_) {
      if (pwrite(file.fd.get(), file.content.data(), file.content.size(), 0) < 0) abort();
    }
  }

 private:
  struct EditedFile {
    std::string content;  // without edits
    FileDescriptor fd;
    std::uint64_t upcase_table;  // where it begins; 0: elsewhere
  };

  static constexpr std::uint64_t upcase_size = format::upcase_entries * sizeof(char16_t);

  // The original value at `offset` plus `by`, so that a field points near where it did.
  static std::uint64_t moved(const EditedFile& file, std::uint64_t offset, std::uint64_t by) {
    std::uint64_t value = 0;
    file.content.copy(reinterpret_cast<char*>(&value), sizeof(value), offset);
    return value + by;
  }

  std::vector<EditedFile> files_;
};

}  // namespace cim::fuzz
