// Uses everything that there is in an image that may be broken.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <set>
#include <string>

#include <cim/image.h>
#include <gtest/gtest.h>

#include "transfer/image_walk.h"

namespace cim::test {

// Reads all that can be reached. Counts the errors; checks that each names the image.
class Explorer {
 public:
  explicit Explorer(const std::string& path) : path_(path) {}

  int explore() {
    attempt([&] {
      const Image image(path_);
      visit(image, image.root());
      for (FileId id = 1; id <= std::min<FileId>(image.file_id_limit(), 64); ++id) {
        attempt([&] { image.link_count(image.file(id)); });
      }
      attempt([&] { image.files_of_last_fork(); });
      attempt([&] {
        transfer::ImageWalk walk(image, {});
        while (walk.next() != transfer::ImageWalk::Step::end) {
        }
      });
    });
    return errors_;
  }

 private:
  void attempt(const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& error) {
      ++errors_;
      const std::string message = error.what();
      EXPECT_TRUE(message.find(".cim") != message.npos || message.find("region_") != message.npos)
          << message;
    }
  }

  void visit(const Image& image, FileId id) {
    if (!seen_.insert(id).second) return;
    attempt([&] {
      const File file = image.file(id);
      attempt([&] { image.metadata(file); });
      attempt([&] {
        for (const NamedStream& stream : image.named_streams(file)) read(image, stream.stream);
      });
      if (!file.is_directory()) return read(image, file.stream);
      const Directory directory = image.entries(file);
      EntryName name;
      for (std::uint32_t i = 0; i < std::min<std::uint32_t>(directory.size(), 1000); ++i) {
        attempt([&] {
          const FileId child = image.entry(directory, i, name);
          image.find(file, name.view());
          visit(image, child);
        });
      }
    });
  }

  void read(const Image& image, const Stream& stream) {
    attempt([&] {
      std::array<std::byte, 4096> buffer;
      for (std::uint64_t offset : {std::uint64_t{0}, stream.length / 2, stream.length - 1}) {
        image.read(stream, offset, buffer);
        image.seek(stream, offset, true);
        image.seek(stream, offset, false);
      }
    });
  }

  std::string path_;
  std::set<FileId> seen_;
  int errors_ = 0;
};

}  // namespace cim::test
