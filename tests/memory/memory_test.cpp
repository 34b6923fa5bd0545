// The library's behaviour when an allocation fails: each allocation in turn.
#include <array>
#include <new>
#include <set>
#include <string>
#include <string_view>

#include <boost/filesystem.hpp>
#include <cim/image.h>
#include <cimfs.h>
#include <gtest/gtest.h>

#include "failing_allocations.h"
#include "support/image_content.h"
#include "support/temporary_directory.h"

namespace cim::test {
namespace {

namespace fs = boost::filesystem;

// The second is too large for those that are kept in memory.
const std::array<std::u16string, 3> names = {u"d\\a", u"d\\b", u"d\\c"};
const std::array<std::string, names.size()> contents = {
    std::string(100, 'a'), std::string(20000, 'b'), std::string(100, 'c')};

// The parts of an image that were made without an error.
struct Made {
  bool directory = false;
  std::array<bool, names.size()> files = {};
  bool link = false;
  bool stream = false;
  bool has_old = false;
  bool committed = false;
};

HRESULT write_all(CIMFS_STREAM_HANDLE stream, std::string_view content) {
  const HRESULT result =
      CimWriteStream(stream, content.data(), static_cast<UINT32>(content.size()));
  CimCloseStream(stream);
  return result;
}

bool make_file(CIMFS_IMAGE_HANDLE image, std::size_t number) {
  CIMFS_FILE_METADATA metadata = {};
  metadata.FileSize = static_cast<INT64>(contents[number].size());
  CIMFS_STREAM_HANDLE stream = nullptr;
  return CimCreateFile(image, names[number].c_str(), &metadata, &stream) == S_OK &&
         write_all(stream, contents[number]) == S_OK;
}

bool make_stream(CIMFS_IMAGE_HANDLE image) {
  CIMFS_STREAM_HANDLE stream = nullptr;
  return CimCreateAlternateStream(image, u"d\\a:stream", 7, &stream) == S_OK &&
         write_all(stream, "content") == S_OK;
}

bool make_directory(CIMFS_IMAGE_HANDLE image) {
  CIMFS_FILE_METADATA metadata = {};
  metadata.Attributes = FILE_ATTRIBUTE_DIRECTORY;
  CIMFS_STREAM_HANDLE stream = nullptr;
  if (CimCreateFile(image, u"d", &metadata, &stream) != S_OK) return false;
  CimCloseStream(stream);
  return true;
}

// Makes an image on top of `base.cim`, which has a file `old`, like a program that goes on after
// errors.
Made make_image(const std::u16string& directory, PCWSTR base) {
  Made made;
  CIMFS_IMAGE_HANDLE image = nullptr;
  if (CimCreateImage(directory.c_str(), base, u"new.cim", &image) != S_OK) return made;
  made.directory = make_directory(image);
  for (std::size_t i = 0; i < names.size(); ++i) made.files[i] = make_file(image, i);
  made.link = CimCreateHardLink(image, u"link", u"d\\b") == S_OK;
  made.stream = make_stream(image);
  made.has_old = base != nullptr && CimDeletePath(image, u"old") != S_OK;
  made.committed = CimCommitImage(image) == S_OK;
  CimCloseImage(image);
  return made;
}

// Calls `action` repeatedly, each time with a later allocation failing, until none fails. Calls
// `check` after each.
template <typename Action, typename Check>
void with_each_allocation_failing(Action&& action, Check&& check) {
  bool failed = true;
  long number = 0;
  while (failed && !testing::Test::HasFailure()) {
    {
      const FailingAllocation failing(++number);
      action();
      failed = FailingAllocation::has_failed();
    }
    SCOPED_TRACE(number);
    check(failed);
  }
  EXPECT_GT(number, 10);
}

class Memory : public testing::Test {
 protected:
  Memory() {
    Writer writer({.directory = directory(), .existing = {}, .name = "base.cim"});
    put(writer, u"old", "old");
    writer.commit();
    base_files_ = files();
  }

  std::string directory() const { return directory_.string(); }

  std::set<std::string> files() const {
    std::set<std::string> paths;
    for (const auto& entry : fs::directory_iterator(directory_.path())) {
      paths.insert(entry.path().string());
    }
    return paths;
  }

  void expect_made(const Made& made) const {
    const Image image(directory_ / "new.cim");
    const auto has = [&](std::u16string_view path) { return image.resolve(path).has_value(); };
    EXPECT_EQ(made.directory, has(u"d"));
    for (std::size_t i = 0; i < names.size(); ++i) {
      EXPECT_EQ(made.files[i] ? contents[i] : "(none)", content(image, names[i])) << i;
    }
    EXPECT_EQ(made.link, has(u"link"));
    if (made.files[0]) {
      const auto stream = image.find_named_stream(file_at(image, names[0]), u"stream");
      EXPECT_EQ(made.stream ? "content" : "(none)", stream ? content(image, *stream) : "(none)");
    }
    EXPECT_EQ(made.has_old, has(u"old"));
  }

  void remove_new() const {
    for (const std::string& file : files()) {
      if (!base_files_.contains(file)) fs::remove(file);
    }
  }

  const TemporaryDirectory directory_;
  std::set<std::string> base_files_;
};

// A program that continues after an error.
TEST_F(Memory, ThatRunsOutLosesNothingThatWasCommitted) {
  const std::string path = directory();
  const std::u16string path16(path.begin(), path.end());
  for (PCWSTR base : {PCWSTR(nullptr), u"base.cim"}) {
    Made made;
    with_each_allocation_failing([&] { made = make_image(path16, base); },
                                 [&](bool failed) {
                                   EXPECT_TRUE(failed || made.committed);
                                   if (made.committed) {
                                     expect_made(made);
                                   } else {
                                     EXPECT_EQ(base_files_, files());
                                   }
                                   remove_new();
                                 });
  }
}

TEST_F(Memory, ThatRunsOutIsGivenAsTheReason) {
  const std::string path = directory();
  const std::u16string path16(path.begin(), path.end());
  HRESULT result = S_OK;
  const auto open = [&] {
    CIMFS_IMAGE_HANDLE image = nullptr;
    result = CimCreateImage(path16.c_str(), u"base.cim", u"new.cim", &image);
    CimCloseImage(image);
  };
  with_each_allocation_failing(open, [&](bool) {
    if (result == S_OK) return;
    EXPECT_EQ(E_OUTOFMEMORY, result);
    std::array<char, 100> message;
    EXPECT_EQ(S_OK, CimGetLastErrorMessage(message.data(), message.size()));
    EXPECT_STREQ("not enough memory", message.data());
  });
}

// The streams are closed by their destructors, even during an exception.
TEST_F(Memory, ThatRunsOutLeavesTheOldImageOrTheNewOne) {
  const Writer::Options options = {
      .directory = directory(), .existing = {}, .name = "base.cim", .replace = true};
  bool committed = false;
  const auto make = [&] {
    committed = false;
    try {
      Writer writer(options);
      writer.create_file(u"new", {}, contents[1].size()).write(bytes(contents[1]));
      writer.create_named_stream(u"new", u"stream", 3).write(bytes("abc"));
      writer.commit();
      committed = true;
    } catch (const Error&) {
    } catch (const std::bad_alloc&) {
    }
  };
  with_each_allocation_failing(make, [&](bool failed) {
    EXPECT_TRUE(failed || committed);
    const Image image(directory_ / "base.cim");
    if (!committed) {
      EXPECT_EQ("old", content(image, u"old"));
      EXPECT_EQ(base_files_, files());
      return;
    }
    EXPECT_EQ(contents[1], content(image, u"new"));
    EXPECT_TRUE(image.find_named_stream(file_at(image, u"new"), u"stream"));
    Writer writer(options);
    put(writer, u"old", "old");
    writer.commit();
    base_files_ = files();
  });
}

}  // namespace
}  // namespace cim::test
