// A layer of a container, imported by itself and on top of a small one; both images are thrown
// away.
#include <cim/writer.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/file_descriptor.h"
#include "support/image_content.h"
#include "support/temporary_directory.h"
#include "transfer/input.h"
#include "transfer/layer_import.h"

namespace {

class Quiet : public cim::transfer::Progress {
 public:
  void advance(const cim::transfer::Amount&) override {}
  void warn(const std::string&) override {}
};

void make_base(const std::string& directory) {
  cim::Writer writer({.directory = directory, .existing = {}, .name = "base.cim"});
  writer.create_directory(u"Files", {});
  writer.create_directory(u"Files\\d", {});
  cim::test::put(writer, u"Files\\d\\f", "text");
  writer.commit();
}

void import(int archive, const std::string& directory, bool has_base) {
  Quiet progress;
  cim::Writer::Options options;
  options.directory = directory;
  options.name = "layer.cim";
  if (has_base) options.existing = "base.cim";
  try {
    cim::transfer::FileInput layer(archive);
    const cim::transfer::LayerImport imported(options, layer, "layer.tar", {}, progress);
  } catch (const cim::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const cim::test::TemporaryDirectory directory;
  static const bool has_base = (make_base(directory.string()), true);
  const cim::FileDescriptor archive(memfd_create("layer", MFD_CLOEXEC));
  if (write(archive.get(), data, size) < 0) abort();
  for (const bool on_base : {false, has_base}) {
    if (lseek(archive.get(), 0, SEEK_SET) < 0) abort();
    import(archive.get(), directory.string(), on_base);
  }
  return 0;
}
