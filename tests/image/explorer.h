// Uses everything in an image that may be broken.
#pragma once

#include <algorithm>
#include <array>
#include <functional>
#include <stdexcept>
#include <string>

#include <cim/image.h>

#include "image/check.h"
#include "posix/attributes.h"
#include "transfer/image_walk.h"

namespace cim::test {

// Reads everything in a small image and counts the errors. Each must name the image: throws
// std::logic_error otherwise.
class Explorer {
 public:
  explicit Explorer(const std::string& path) : path_(path) {}

  int explore() {
    attempt([&] {
      const Image image(path_);
      opened_ = true;
      attempt([&] { image.files_of_last_fork(); });
      attempt([&] { image.link_counts(); });
      attempt([&] {
        transfer::ImageWalk walk(image, {});
        while (walk.next() != transfer::ImageWalk::Step::end) {
        }
      });
      for (FileId id = 1; id <= std::min<FileId>(image.file_id_limit(), 64); ++id) {
        attempt([&] { look_at(image, image.file(id)); });
      }
    });
    return errors_;
  }

  // Whether the image could be opened at all.
  bool opened() const { return opened_; }

 private:
  void attempt(const std::function<void()>& action) {
    try {
      action();
    } catch (const Error& error) {
      ++errors_;
      const std::string message = error.what();
      if (message.find(".cim") == message.npos && message.find("region_") == message.npos) {
        throw std::logic_error("does not name the image: " + message);
      }
    }
  }

  void look_at(const Image& image, const File& file) {
    attempt([&] { image.metadata(file); });
    attempt([&] { posix::attributes(image, file, {}); });
    if (posix::is_symlink(file)) attempt([&] { posix::symlink_target(image, file); });
    attempt([&] {
      for (const std::string& name : posix::list_xattrs(image, file)) {
        attempt([&] { posix::get_xattr(image, file, name); });
      }
    });
    for (const char* name : {"system.ntfs_attrib", "system.ntfs_acl", "system.ntfs_reparse_data",
                             "system.ntfs_ea", "system.ntfs_times"}) {
      attempt([&] { posix::get_xattr(image, file, name); });
    }
    attempt([&] {
      for (const NamedStream& stream : image.named_streams(file)) read(image, stream.stream);
    });
    if (file.is_directory()) {
      list(image, file);
    } else {
      read(image, file.stream);
    }
  }

  void list(const Image& image, const File& directory) {
    attempt([&] {
      const Directory entries = image.entries(directory);
      EntryName name;
      for (std::uint32_t i = 0; i < std::min<std::uint32_t>(entries.size(), 1000); ++i) {
        attempt([&] {
          image.file(image.entry(entries, i, name));
          image.find(directory, name.view());
        });
      }
    });
  }

  // Only the start, the middle and the end of the stream: it may claim to be 2^48 bytes long.
  void read(const Image& image, const Stream& stream) {
    std::array<std::byte, 4096> buffer;
    for (const std::uint64_t offset : {std::uint64_t{0}, stream.length / 2, stream.length - 1}) {
      attempt([&] {
        image.read(stream, offset, buffer);
        image.seek(stream, offset, true);
        image.seek(stream, offset, false);
      });
    }
  }

  std::string path_;
  int errors_ = 0;
  bool opened_ = false;
};

// How many errors cim check would report.
inline std::uint64_t errors_of_check(const std::string& path, bool data = false) {
  struct : CheckObserver {
    void found(bool, const std::string&) override {}
    void expect(std::uint64_t, std::uint64_t) override {}
    void advance(std::uint64_t, std::uint64_t) override {}
  } silence;
  return check_image(path, data, silence).errors;
}

}  // namespace cim::test
