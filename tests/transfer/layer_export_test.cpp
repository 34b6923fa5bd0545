// Images written as layers of containers.
#include "transfer/layer_export.h"

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <cim/image.h>
#include <cim/writer.h>
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "format/reparse.h"
#include "layer.h"
#include "transfer/image_changes.h"
#include "transfer/tar_reader.h"

namespace cim::transfer {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// All that an image keeps, by path; files with several names name the first.
std::map<std::string, std::string> everything(const Image& image) {
  std::map<std::string, std::string> found;
  std::map<FileId, std::string> first_names;
  ImageWalk walk(image, {}, EntryOrder::bytes);
  using Step = ImageWalk::Step;
  for (Step step = walk.next(); step != Step::end; step = walk.next()) {
    if (step == Step::leave_directory) continue;
    const File& file = walk.file();
    const Metadata metadata = image.metadata(file);
    const auto text = [](ByteView bytes) {
      return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()) + ';';
    };
    std::string all = first_names.try_emplace(file.id, walk.path()).first->second + ';';
    for (const std::int64_t number :
         {std::int64_t{metadata.attributes}, metadata.creation_time, metadata.last_write_time,
          metadata.change_time, metadata.last_access_time}) {
      all += std::to_string(number) + ';';
    }
    all += text(metadata.security_descriptor) + text(metadata.reparse_data) +
           text(metadata.extended_attributes);
    if (!file.is_directory()) all += test::content(image, file.stream);
    for (const NamedStream& stream : image.named_streams(file)) {
      all += ';' + image_to_linux_name(stream.name) + '=' + test::content(image, stream.stream);
    }
    found[walk.path()] = all;
  }
  return found;
}

class LayerExport : public Layer {
 protected:
  // Makes `name`, a fork of `parent`, by `change`.
  void fork(const std::string& name, const std::string& parent,
            const std::function<void(Writer&)>& change) const {
    Writer::Options options = new_image(directory_.string(), name);
    options.existing = parent;
    Writer writer(options);
    change(writer);
    writer.commit();
  }

  // Exports `name` to layer.tar. Returns the names of the members.
  std::vector<std::string> export_image(const std::string& name, const std::string& parent = {}) {
    {
      const FileDescriptor archive(
          open(path("layer.tar").c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666));
      const Image image(path(name));
      std::optional<Image> base;
      if (!parent.empty()) base.emplace(path(parent));
      left_out_ =
          export_layer(image, base ? &*base : nullptr, archive.get(), "layer.tar", progress_);
    }
    return members();
  }

  // Of layer.tar. Hard links as `NAME -> TARGET`.
  std::vector<std::string> members() const {
    FILE* const list = popen(("tar -tvf " + path("layer.tar")).c_str(), "re");
    pclose(list);
    std::vector<std::string> names;
    const FileDescriptor archive(open(path("layer.tar").c_str(), O_RDONLY | O_CLOEXEC));
    RecordingProgress progress;
    const ImportOptions options;
    LayerMembers reader(archive.get(), options, progress);
    return reader.names();
  }

  // Exports top.cim, a change of base.cim, imports that again on base.cim, and expects the same.
  void expect_round_trip() {
    names_ = export_image("top.cim", "base.cim");
    EXPECT_EQ(left_out_, 0U);
    import("again.cim", "base.cim");
    EXPECT_EQ(everything(Image(path("again.cim"))), everything(Image(path("top.cim"))));
    // Not found by comparing records.
    make_equal_to("base.cim", "other.cim");
    export_image("top.cim", "other.cim");
    import("again2.cim", "base.cim");
    EXPECT_EQ(everything(Image(path("again2.cim"))), everything(Image(path("top.cim"))));
  }

  std::uint64_t left_out_ = 0;
  std::vector<std::string> names_;
};

}  // namespace
}  // namespace cim::transfer
