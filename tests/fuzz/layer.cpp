// A layer of a container, imported by itself and on top of a small one; both images are thrown
// away.
#include <optional>

#include <cim/image.h>
#include <cim/writer.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/file_descriptor.h"
#include "support/image_content.h"
#include "support/temporary_directory.h"
#include "transfer/entry_sink.h"
#include "transfer/layer_source.h"

namespace {

class Quiet : public cim::transfer::Progress {
 public:
  void advance(const cim::transfer::Amount&) override {}
  void warn(const std::string&) override {}
};

std::string make_base(const std::string& directory) {
  cim::Writer writer({.directory = directory, .existing = {}, .name = "base.cim"});
  writer.create_directory(u"Files", {});
  writer.create_directory(u"Files\\d", {});
  cim::test::put(writer, u"Files\\d\\f", "text");
  writer.commit();
  return directory + "/base.cim";
}

void import(int archive, const std::string& directory, const cim::Image* base) {
  Quiet progress;
  cim::transfer::ImportOptions options;
  options.base = base;
  try {
    cim::transfer::LayerSource source(archive, "layer.tar", options, progress);
    cim::Writer::Options writer_options = {
        .directory = directory, .existing = {}, .name = "layer.cim"};
    if (base != nullptr) writer_options.existing = "base.cim";
    cim::Writer writer(writer_options);
    cim::transfer::store_entries(source, writer, options, progress);
  } catch (const cim::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const cim::test::TemporaryDirectory directory;
  static const cim::Image base(make_base(directory.string()));
  const cim::FileDescriptor archive(memfd_create("layer", MFD_CLOEXEC));
  if (write(archive.get(), data, size) < 0) abort();
  for (const cim::Image* const below : {static_cast<const cim::Image*>(nullptr), &base}) {
    if (lseek(archive.get(), 0, SEEK_SET) < 0) abort();
    import(archive.get(), directory.string(), below);
  }
  return 0;
}
