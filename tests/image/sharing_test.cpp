// One image, many threads: each sees what a thread alone sees.
#include <barrier>
#include <map>
#include <thread>

#include <cim/writer.h>
#include <gtest/gtest.h>

#include "image/forged_image.h"
#include "posix/attributes.h"
#include "posix/linux_metadata.h"
#include "support/image_content.h"
#include "support/temporary_directory.h"

namespace cim {
namespace {

constexpr int thread_count = 16;
constexpr int rounds = 3;

// What is at each path: a line of all that the image says about it.
using Survey = std::map<std::string, std::string>;

// Looks at everything in `image`, beginning in each directory with the entry `first`, so that
// threads are in different places.
class Surveyor {
 public:
  explicit Surveyor(const Image& image, std::uint32_t first = 0) : image_(image), first_(first) {}

  Survey survey() {
    visit("", u"", image_.root());
    return std::move(survey_);
  }

 private:
  void visit(const std::string& path, const std::u16string& image_path, FileId id) {
    const File file = image_.file(id);
    std::string& seen = survey_[path];
    seen = describe(file);
    if (image_.resolve(image_path) != id) seen += " (not found by its path)";
    if (!file.is_directory()) return;
    const Directory directory = image_.entries(file);
    EntryName name;
    for (std::uint32_t i = 0; i < directory.size(); ++i) {
      const FileId child = image_.entry(directory, (first_ + i) % directory.size(), name);
      visit(path + "/" + image_to_linux_name(name.view()),
            image_path + (image_path.empty() ? u"" : u"\\") + std::u16string(name.view()), child);
    }
  }

  std::string describe(const File& file) {
    const struct stat status = posix::attributes(image_, file, {});
    std::string text = std::to_string(file.id) + " " + std::to_string(status.st_mode) + " " +
                       std::to_string(status.st_nlink) + " " + std::to_string(status.st_size);
    for (const std::string& name : posix::list_xattrs(image_, file)) {
      text += " " + name + "=" + posix::get_xattr(image_, file, name).value();
    }
    if (posix::is_symlink(file)) return text + " -> " + posix::symlink_target(image_, file);
    if (file.is_directory()) return text;
    if (const auto data = image_.seek(file.stream, 0, true)) text += " " + std::to_string(*data);
    return text + " " + test::content(image_, file.stream);
  }

  const Image& image_;
  const std::uint32_t first_;
  Survey survey_;
};

class SharingTest : public testing::Test {
 protected:
  // The threads are the first to use the shared image, so all of them make it find out, at the same
  // time, what it finds out at first use.
  void expect_all_threads_see_the_same(const std::string& path) {
    const Survey expected = Surveyor(Image(path)).survey();
    for (int round = 0; round < rounds; ++round) {
      const Image shared(path);
      std::barrier start(thread_count);
      std::vector<Survey> seen(thread_count);
      {
        std::vector<std::jthread> threads;
        for (int i = 0; i < thread_count; ++i) {
          threads.emplace_back([&shared, &start, &result = seen[i], i] {
            start.arrive_and_wait();
            result = Surveyor(shared, static_cast<std::uint32_t>(i)).survey();
          });
        }
      }
      for (const Survey& survey : seen) ASSERT_EQ(expected, survey);
    }
  }

  test::TemporaryDirectory directory_;
};

void add_file(Writer& writer, const std::u16string& path, const std::string& content, mode_t type,
              const std::string& target = {}) {
  posix::LinuxMetadata source;
  source.status.st_mode = type | 0640;
  source.symlink_target = target;
  source.xattrs = {{"user.name", image_to_linux_path(path)}};
  test::put(writer, path, content, posix::EncodedMetadata(source).get());
}

TEST_F(SharingTest, ThreadsShareAnImage) {
  Writer writer({.directory = directory_.string(), .existing = {}, .name = "a.cim"});
  for (char16_t d = u'a'; d < u'e'; ++d) {
    const std::u16string directory(1, d);
    writer.create_directory(directory, {});
    for (char16_t f = u'a'; f < u'i'; ++f) {
      const std::u16string path = directory + u"\\" + f;
      add_file(writer, path, std::string((f - u'a') * 3000u, static_cast<char>(d)), S_IFREG);
      writer.create_hard_link(path + u"-link", path);
      writer.create_named_stream(path, u"stream", 6).write(test::bytes("stream"));
    }
    add_file(writer, directory + u"\\symlink", "", S_IFLNK, "target");
    writer.create_file(directory + u"\\sparse", {}, 100000).close();
  }
  writer.commit();
  expect_all_threads_see_the_same(directory_ / "a.cim");
}

// The link counts of such an image are computed when first needed.
TEST_F(SharingTest, ThreadsShareAnImageOfAnotherWriter) {
  test::ForgedImage forged;
  const format::File root = {.default_stream = forged.directory({{u"a", 2}, {u"b", 2}, {u"d", 3}})};
  const format::File file = {.default_stream = forged.file_data("text")};
  const format::File directory = {.default_stream = forged.directory({{u"c", 2}})};
  expect_all_threads_see_the_same(forged.write(directory_.string(), {root, file, directory}));
}

}  // namespace
}  // namespace cim
