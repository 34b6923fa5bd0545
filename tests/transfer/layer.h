// Layers of containers, made for tests.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <cim/image.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "image/file_descriptor.h"
#include "support/image_content.h"
#include "support/temporary_directory.h"
#include "transfer/decompressed_input.h"
#include "transfer/input.h"
#include "transfer/layer_import.h"
#include "transfer/pax_writer.h"
#include "tree.h"

namespace cim::transfer {

inline constexpr time_t some_time = 1600000000;

using Records = std::vector<std::pair<std::string, std::string>>;

// Writes a layer, member by member.
class LayerBuilder {
 public:
  explicit LayerBuilder(const std::string& path)
      : fd_(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666)),
        output_(fd_.get(), path),
        writer_(output_) {}

  LayerBuilder& file(const std::string& path, const std::string& content = {},
                     const Records& records = {}) {
    PaxMember member = this->member(path, S_IFREG | 0644, records);
    member.status.st_size = static_cast<off_t>(content.size());
    return add(member, content);
  }

  LayerBuilder& directory(const std::string& path, const Records& records = {}) {
    return add(member(path, S_IFDIR | 0755, records));
  }

  LayerBuilder& symlink(const std::string& path, const std::string& target,
                        const Records& records = {}) {
    PaxMember member = this->member(path, S_IFLNK | 0777, records);
    member.link_target = target;
    return add(member);
  }

  LayerBuilder& hard_link(const std::string& path, const std::string& target) {
    PaxMember member = this->member(path, S_IFREG | 0644, {});
    member.is_hard_link = true;
    member.link_target = target;
    return add(member);
  }

  LayerBuilder& device(const std::string& path, dev_t number) {
    PaxMember member = this->member(path, S_IFCHR, {});
    member.status.st_rdev = number;
    return add(member);
  }

  // What every base layer of Windows has.
  LayerBuilder& base_of_windows() {
    directory("Files");
    for (const char* name : {"SYSTEM", "SOFTWARE", "SAM", "SECURITY", "DEFAULT"}) {
      file(std::string("Files/Windows/System32/config/") + name, name);
    }
    return *this;
  }

  void finish() { writer_.finish(); }

 private:
  static PaxMember member(const std::string& path, mode_t mode, const Records& records) {
    PaxMember member;
    member.path = path;
    member.status.st_mode = mode;
    member.status.st_mtim.tv_sec = some_time;
    member.records = records;
    return member;
  }

  LayerBuilder& add(const PaxMember& member, const std::string& content = {}) {
    writer_.begin(member);
    writer_.write(test::bytes(content));
    writer_.end();
    return *this;
  }

  FileDescriptor fd_;
  FileOutput output_;
  PaxWriter writer_;
};

class Layer : public testing::Test {
 protected:
  std::string path(const std::string& name) const { return directory_ / name; }

  LayerBuilder layer() const { return LayerBuilder(path("layer.tar")); }

  // Imports the layer as `name`, on top of the image `parent`.
  void import(const std::string& name, const std::string& parent = {}) {
    const FileDescriptor archive(open(path("layer.tar").c_str(), O_RDONLY | O_CLOEXEC));
    FileInput file(archive.get());
    DecompressedInput layer(file);
    Writer::Options image = new_image(directory_.string(), name);
    if (!parent.empty()) image.existing = parent;
    LayerImport import(image, layer, "layer.tar", system_, progress_);
    incomplete_ = import.incomplete();
    import.commit();
  }

  std::string failure(const std::string& parent = {}) {
    try {
      import("failed.cim", parent);
    } catch (const Error& error) {
      return error.what();
    }
    return "(none)";
  }

  // The paths of all files of the image, with the contents of regular ones.
  std::map<std::string, std::string> files(const std::string& name) const {
    const Image image(path(name));
    std::map<std::string, std::string> found;
    collect(image, u"", found);
    return found;
  }

  test::TemporaryDirectory directory_;
  RecordingProgress progress_;
  std::uint64_t incomplete_ = 0;
  std::optional<LayerSource::System> system_;  // as the caller knows it

 private:
  static void collect(const Image& image, const std::u16string& directory,
                      std::map<std::string, std::string>& found) {
    for (const std::string& name : test::list(image, directory)) {
      const std::u16string path =
          (directory.empty() ? directory : directory + u'\\') + linux_to_image_name(name);
      const File file = test::file_at(image, path);
      found[image_to_linux_path(path)] =
          file.is_directory() ? "directory" : test::content(image, file.stream);
      if (file.is_directory()) collect(image, path, found);
    }
  }
};

}  // namespace cim::transfer
