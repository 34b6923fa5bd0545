// Imports container images into a directory.
#include "fixture.h"

#include <algorithm>
#include <thread>

#include <boost/filesystem.hpp>
#include <cim/image.h>
#include <sys/mman.h>
#include <unistd.h>

#include "image/file_descriptor.h"
#include "image/file_io.h"
#include "oci/image_import.h"
#include "support/error_of.h"
#include "support/image_content.h"

namespace cim::oci {
namespace {

struct Quiet : transfer::Progress {
  void advance(const transfer::Amount&) override {}
  void warn(const std::string&) override {}
};

}  // namespace

void OciTest::import(const Files& files, const std::string& name, const Choice& choice) {
  Quiet progress;
  import_image(find_image(files, choice), files,
               {.directory = images_.string(), .name = name, .replace = false}, progress);
}

void OciTest::import(const Layout& layout, const std::string& name, const Choice& choice) {
  boost::filesystem::remove_all(source_ / "layout");
  layout.write(source_ / "layout");
  import(*files_of_directory(source_ / "layout"), name, choice);
}

std::string OciTest::failure(const Layout& layout, const Choice& choice) {
  const std::vector<std::string> before = files();
  std::string message = test::message_of([&] { import(layout, "failed.cim", choice); });
  EXPECT_EQ(files(), before);
  return message;
}

void OciTest::import_archive(const std::string& bytes, const Choice& choice, bool from_pipe) {
  if (!from_pipe) {
    const FileDescriptor file(memfd_create("archive", MFD_CLOEXEC));
    ASSERT_TRUE(write_all(file.get(), bytes.data(), bytes.size()));
    import(*files_of_archive(file.get(), "archive", images_.string()), "app.cim", choice);
    return;
  }
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const FileDescriptor reading(ends[0]);
  std::thread writer([&, writing = FileDescriptor(ends[1])] {
    EXPECT_TRUE(write_all(writing.get(), bytes.data(), bytes.size()));
  });
  import(*files_of_archive(reading.get(), "pipe", images_.string()), "app.cim", choice);
  writer.join();
}

std::string OciTest::archive_failure(const std::string& bytes, const Choice& choice) {
  std::string message = test::message_of([&] { import_archive(bytes, choice); });
  EXPECT_TRUE(files().empty());
  return message;
}

std::string OciTest::read(const std::string& path, const std::string& image) const {
  return test::content(Image(this->path(image)), linux_to_image_path(path));
}

std::vector<std::string> OciTest::files() const {
  std::vector<std::string> names;
  for (const auto& entry : boost::filesystem::directory_iterator(images_.path())) {
    names.push_back(entry.path().filename().string());
  }
  std::ranges::sort(names);
  return names;
}

}  // namespace cim::oci
