// What goes into an image, and what must not.
#include "transfer/import.h"

#include <boost/filesystem.hpp>
#include <cim/image.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/upcase.h"
#include "support/image_content.h"
#include "support/temporary_directory.h"
#include "tree.h"

namespace cim::transfer {
namespace {

namespace fs = boost::filesystem;
using Names = std::vector<std::string>;

class Import : public testing::Test {
 protected:
  Import() {
    fs::create_directory(source());
    fs::create_directory(directory_ / "images");
  }

  std::string images() const { return directory_ / "images"; }
  std::string source() const { return directory_ / "source"; }
  std::string source(const std::string& name) const { return source() + "/" + name; }

  Image image_of(const ImportOptions& options) {
    Writer writer(new_image(images(), "image.cim"));
    import_tree(writer, source(), u"", options, progress_);
    writer.commit();
    return Image(images() + "/image.cim");
  }

  // The message of the Error that the import ends with.
  std::string failure(const ImportOptions& options, Progress& progress) {
    Writer writer(new_image(images(), "image.cim"));
    try {
      import_tree(writer, source(), u"", options, progress);
    } catch (const Error& error) {
      return error.what();
    }
    return "(none)";
  }

  const test::TemporaryDirectory directory_;
  RecordingProgress progress_;
};

// Does something to the source after the first bytes of it were read.
class Meddler : public RecordingProgress {
 public:
  explicit Meddler(std::function<void()> meddle) : meddle_(std::move(meddle)) {}

  void advance(const Amount& step) override {
    if (step.bytes > 0 && meddle_) std::exchange(meddle_, nullptr)();
  }

 private:
  std::function<void()> meddle_;
};

TEST_F(Import, LeavesOutWhatAPatternMatchesAnywhere) {
  fs::create_directories(source("src/deep"));
  write_file(source("src/a.o"), "");
  write_file(source("src/a.c"), "");
  write_file(source("src/deep/b.o"), "");
  write_file(source("c.o"), "");
  ImportOptions options;
  options.exclude = {"*.o"};
  const Image image = image_of(options);
  EXPECT_EQ(test::list(image, u""), Names{"src"});
  EXPECT_EQ(test::list(image, u"src"), (Names{"a.c", "deep"}));
  EXPECT_EQ(test::list(image, u"src\\deep"), Names{});
}

TEST_F(Import, LeavesOutAnExcludedDirectoryWithAllBelowIt) {
  fs::create_directories(source("a/.git/objects"));
  write_file(source("a/.git/objects/x"), "");
  write_file(source("a/.gitignore"), "");
  ImportOptions options;
  options.exclude = {".git"};
  EXPECT_EQ(test::list(image_of(options), u"a"), Names{".gitignore"});
}

TEST_F(Import, MatchesPatternsWithDirectoriesAtTheEndOfThePath) {
  fs::create_directories(source("a/tmp"));
  fs::create_directories(source("tmp"));
  write_file(source("a/tmp/x"), "");
  write_file(source("tmp/x"), "");
  ImportOptions options;
  options.exclude = {"a/tmp/*"};
  const Image image = image_of(options);
  EXPECT_EQ(test::list(image, u"a\\tmp"), Names{});
  EXPECT_EQ(test::list(image, u"tmp"), Names{"x"});
}

TEST_F(Import, DoesNotMatchTheMiddleOfANameOrTheSourceItself) {
  write_file(source("source"), "");
  write_file(source("x.object"), "");
  ImportOptions options;
  options.exclude = {"*.o", "ource"};
  EXPECT_EQ(test::list(image_of(options), u""), (Names{"source", "x.object"}));
}

TEST_F(Import, LeavesOutTheFilesOfAnImageThatLiesInTheSource) {
  write_file(source("file"), "x");
  const std::string old = make_image(source(), "old.cim", source());
  ImportOptions options;
  options.skip = files_of_image(old);
  EXPECT_EQ(test::list(image_of(options), u""), Names{"file"});
}

TEST_F(Import, DoesNotPutTheNewImageIntoItself) {
  write_file(source("file"), "x");
  const Image image(make_image(source(), "new.cim", source()));
  EXPECT_EQ(test::list(image, u""), Names{"file"});
}

TEST_F(Import, MergesDirectoriesAndReplacesFiles) {
  fs::create_directories(source("d"));
  write_file(source("d/old"), "old");
  write_file(source("d/same"), "before");
  make_image(images(), "base.cim", source());
  fs::remove(source("d/old"));
  write_file(source("d/same"), "after");
  write_file(source("d/new"), "new");

  Writer::Options options = new_image(images(), "fork.cim");
  options.existing = "base.cim";
  Writer writer(options);
  import_tree(writer, source(), u"", {}, progress_);
  writer.commit();
  const Image image(images() + "/fork.cim");
  EXPECT_EQ(test::list(image, u"d"), (Names{"new", "old", "same"}));
  EXPECT_EQ(test::content(image, u"d\\same"), "after");
}

TEST_F(Import, HardLinksReplaceDirectoriesOfTheBase) {
  fs::create_directories(source("b/below"));
  make_image(images(), "base.cim", source());
  fs::remove_all(source("b"));
  write_file(source("a"), "x");
  fs::create_hard_link(source("a"), source("b"));

  Writer::Options options = new_image(images(), "fork.cim");
  options.existing = "base.cim";
  Writer writer(options);
  import_tree(writer, source(), u"", {}, progress_);
  writer.commit();
  const Image image(images() + "/fork.cim");
  EXPECT_EQ(image.resolve(u"a"), image.resolve(u"b"));
}

TEST_F(Import, FollowsALinkToTheRootButNoOther) {
  fs::create_symlink("source", directory_ / "link");
  write_file(source("file"), "x");
  Writer writer(new_image(images(), "image.cim"));
  import_tree(writer, directory_ / "link", u"", {}, progress_);
  import_tree(writer, directory_ / "link", u"copy", {}, progress_);
  writer.commit();
  const Image image(images() + "/image.cim");
  EXPECT_EQ(test::list(image, u""), (Names{"copy", "file"}));
  EXPECT_EQ(test::file_at(image, u"copy").reparse_tag, 0xA000001DU);
}

TEST_F(Import, TakesASingleFile) {
  write_file(source("file"), "text");
  Writer writer(new_image(images(), "image.cim"));
  import_tree(writer, source("file"), u"copy", {}, progress_);
  writer.commit();
  EXPECT_EQ(test::content(Image(images() + "/image.cim"), u"copy"), "text");
}

TEST_F(Import, RefusesAFileAsTheRoot) {
  write_file(source("file"), "text");
  Writer writer(new_image(images(), "image.cim"));
  try {
    import_tree(writer, source("file"), u"", {}, progress_);
    FAIL() << "the root became a file";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), Errc::not_a_directory) << error.what();
  }
}

TEST_F(Import, NamesAMissingSource) {
  fs::remove(source());
  EXPECT_EQ(failure({}, progress_), source() + ": No such file or directory");
}

TEST_F(Import, NamesAFileThatCannotBeRead) {
  if (geteuid() == 0) GTEST_SKIP() << "root can read everything";
  write_file(source("secret"), "x");
  ASSERT_EQ(chmod(source("secret").c_str(), 0), 0);
  EXPECT_EQ(failure({}, progress_), source("secret") + ": Permission denied");
}

TEST_F(Import, NamesAFileThatShrinksWhileItIsRead) {
  write_file(source("log"), std::string(3 << 20, 'x'));
  Meddler meddler([&] { fs::resize_file(source("log"), 10); });
  EXPECT_EQ(failure({}, meddler), source("log") + ": changed while it was read");
}

TEST_F(Import, NamesAFileThatGrowsWhileItIsRead) {
  write_file(source("log"), "x");
  Meddler meddler([&] { write_file(source("log"), "xy"); });
  EXPECT_EQ(failure({}, meddler), source("log") + ": changed while it was read");
}

TEST_F(Import, NamesAFileThatIsRewrittenWhileItIsRead) {
  write_file(source("log"), "before");
  Meddler meddler([&] { write_file(source("log"), "after!"); });
  EXPECT_EQ(failure({}, meddler), source("log") + ": changed while it was read");
}

TEST_F(Import, NamesAFileThatVanishes) {
  write_file(source("a"), "x");
  write_file(source("b"), "x");
  Meddler meddler([&] { fs::remove(source("b")); });
  EXPECT_EQ(failure({}, meddler), source("b") + ": No such file or directory");
}

TEST_F(Import, NamesBothFilesThatACaseInsensitiveImageWouldTakeForOne) {
  fs::create_directory(source("d"));
  write_file(source("d/README"), "");
  write_file(source("d/Readme"), "");
  ImportOptions options;
  options.upcase = format::windows_upcase_table();
  const std::string message = failure(options, progress_);
  EXPECT_EQ(message,
            source("d") + ": 'README' and 'Readme' are one name in a case-insensitive image");
}

TEST_F(Import, NumbersFilesByNameWhateverTheOrderOfCreation) {
  const auto ids = [&](const Names& names) {
    fs::remove_all(source());
    fs::create_directory(source());
    for (const std::string& name : names) write_file(source(name), name);
    const std::string image_name = names.front() + ".cim";
    const Image image(make_image(images(), image_name, source()));
    std::vector<FileId> found;
    for (const char16_t* name : {u"a", u"b", u"c", u"d"})
      found.push_back(image.resolve(name).value());
    return found;
  };
  EXPECT_EQ(ids({"a", "b", "c", "d"}), ids({"d", "b", "a", "c"}));
}

TEST_F(Import, MeasuresWhatItReports) {
  fs::create_directory(source("d"));
  write_file(source("d/file"), std::string(5000, 'x'));
  fs::create_hard_link(source("d/file"), source("d/second"));
  write_file(source("d/left.out"), std::string(5000, 'x'));
  ImportOptions options;
  options.exclude = {"*.out"};
  const Amount measured = measure_tree(source(), options);
  image_of(options);
  EXPECT_EQ(measured.files, 4U);
  EXPECT_EQ(measured.bytes, 10000U);
  EXPECT_EQ(progress_.done.files, measured.files);
  EXPECT_EQ(progress_.done.bytes, measured.bytes);
}

}  // namespace
}  // namespace cim::transfer
