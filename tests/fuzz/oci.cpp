// The JSON files of a container image, which is found and exported again with one more layer.
//
// An input is a letter, `o` for an image layout or `d` for what docker save writes, and up to nine
// texts with zeros between them: index.json and blobs, or manifest.json and config.json. In a text,
// "#2" stands for the digest of the text 2, and #2 for its size, so that mutations get past the
// checks of these.
#include <cstdlib>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <boost/filesystem.hpp>
#include <cim/error.h>
#include <cim/writer.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "oci/container_image.h"
#include "oci/digest.h"
#include "oci/image_export.h"
#include "oci/image_layout.h"
#include "oci/layout_writer.h"
#include "support/temporary_directory.h"

namespace {

using namespace cim;

class Quiet : public transfer::Progress {
 public:
  void advance(const transfer::Amount&) override {}
  void warn(const std::string&) override {}
};

class MemoryFiles : public oci::Files {
 public:
  void add(const std::string& path, std::string text) { texts_[path] = std::move(text); }

  std::optional<oci::StoredFile> find(const std::string& path) const override {
    const auto text = texts_.find(path);
    if (text == texts_.end()) return std::nullopt;
    FileDescriptor fd(memfd_create("text", MFD_CLOEXEC));
    const std::size_t size = text->second.size();
    if (pwrite(fd.get(), text->second.data(), size, 0) != static_cast<ssize_t>(size)) abort();
    return oci::StoredFile{std::move(fd), 0, size};
  }

  const std::string& name() const override { return name_; }

 private:
  const std::string name_ = "input";
  std::map<std::string, std::string> texts_;
};

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (auto place = text.find(from); place != std::string::npos; place = text.find(from, place)) {
    text.replace(place, from.size(), to);
    place += to.size();
  }
}

// The texts of an input, with the references in them. One refers only to those that follow it.
std::vector<std::string> texts_of(const std::string& input) {
  constexpr std::size_t max_texts = 9;
  std::vector<std::string> texts;
  std::size_t start = 1;
  while (start <= input.size() && texts.size() < max_texts) {
    const std::size_t end = std::min(input.find('\0', start), input.size());
    texts.push_back(input.substr(start, end - start));
    start = end + 1;
  }
  for (std::size_t index = texts.size(); index-- > 0;) {
    for (std::size_t other = index + 1; other < texts.size(); ++other) {
      const std::string reference = "#" + std::to_string(other);
      replace_all(texts[index], '"' + reference + '"', '"' + oci::sha256(texts[other]) + '"');
      replace_all(texts[index], reference, std::to_string(texts[other].size()));
    }
  }
  return texts;
}

MemoryFiles files_of(const std::string& input) {
  const std::vector<std::string> texts = texts_of(input);
  const bool is_layout = input.starts_with('o');
  MemoryFiles files;
  if (is_layout) files.add(oci::layout_file, R"({"imageLayoutVersion": "1.0.0"})");
  for (std::size_t index = 0; index < texts.size(); ++index) {
    if (index == 0) {
      files.add(is_layout ? oci::index_file : "manifest.json", texts[0]);
    } else if (is_layout) {
      files.add(oci::path_of_blob(oci::sha256(texts[index])), texts[index]);
    } else {
      files.add(index == 1 ? "config.json" : "layer", texts[index]);
    }
  }
  return files;
}

// An image of the layer whose diff id consists of the digit `a`, and one that builds on it.
void make_images(const std::string& directory) {
  const std::string layer = "sha256-" + std::string(64, 'a') + ".cim";
  Writer::Options options = {.directory = directory, .existing = {}, .name = layer};
  for (const char16_t* path : {u"d", u"d\\e"}) {
    Writer writer(options);
    writer.create_directory(path, {});
    writer.commit();
    options.existing = layer;
    options.name = "top.cim";
  }
}

void export_on(const oci::ContainerImage& image, const oci::Files& files,
               const std::string& directory) {
  const std::string layout_directory = directory + "/layout";
  try {
    Quiet progress;
    oci::LayoutWriter layout(layout_directory);
    oci::export_image({.image = directory + "/top.cim", .tag = "tag", .compression = "gzip"},
                      oci::BaseImage{image, files}, layout, progress);
    oci::find_image(*oci::files_of_directory(layout_directory), {});
  } catch (const Error&) {
  }
  boost::filesystem::remove_all(layout_directory);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const test::TemporaryDirectory directory;
  static const bool has_images = (make_images(directory.string()), true);
  const MemoryFiles files = files_of({reinterpret_cast<const char*>(data), size});
  const oci::Choice any;
  const oci::Choice chosen = {.tag = "tag", .platform = oci::parse_platform("linux/arm/v7")};
  for (const oci::Choice& choice : {any, chosen}) {
    try {
      const oci::ContainerImage image = oci::find_image(files, choice);
      if (has_images) export_on(image, files, directory.string());
    } catch (const Error&) {
    }
  }
  return 0;
}
