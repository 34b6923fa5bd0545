// A tar archive, imported into an image that is then thrown away.
#include <cim/writer.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/file_descriptor.h"
#include "support/temporary_directory.h"
#include "transfer/import.h"

namespace {

class Quiet : public cim::transfer::Progress {
 public:
  void advance(const cim::transfer::Amount&) override {}
  void warn(const std::string&) override {}
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const cim::test::TemporaryDirectory directory;
  const cim::FileDescriptor archive(memfd_create("archive", MFD_CLOEXEC));
  if (write(archive.get(), data, size) < 0 || lseek(archive.get(), 0, SEEK_SET) < 0) abort();
  Quiet progress;
  try {
    cim::Writer writer({.directory = directory.string(), .existing = {}, .name = "a.cim"});
    cim::transfer::import_archive(writer, archive.get(), "a.tar", {}, progress);
  } catch (const cim::Error&) {
  }
  return 0;
}
