// CimTombstoneFile, CimCreateMergeLink and CimAddFsToMergedImage.
#include <cstring>
#include <filesystem>
#include <initializer_list>
#include <utility>

#include "fixture.h"

namespace cim::capi_test {
namespace {

class MergeTest : public CapiTest {
 protected:
  // Commits an image `name` of files with the given contents, and of directories.
  void make(PCWSTR name, std::initializer_list<std::pair<PCWSTR, const char*>> files) const {
    ImageHandle image;
    ASSERT_EQ(S_OK, create_image(nullptr, name, image));
    fill(image, files);
    ASSERT_EQ(S_OK, CimCommitImage(image.get()));
  }

  // A null content stands for a directory.
  static void fill(const ImageHandle& image,
                   std::initializer_list<std::pair<PCWSTR, const char*>> files) {
    for (const auto& [path, text] : files) {
      StreamHandle stream;
      const UINT32 size = text == nullptr ? 0 : static_cast<UINT32>(std::strlen(text));
      const auto metadata = text == nullptr ? directory_metadata() : file_metadata(size);
      ASSERT_EQ(S_OK, CimCreateFile(image.get(), path, &metadata, stream.out()));
      if (size > 0) {
        ASSERT_EQ(S_OK, CimWriteStream(stream.get(), text, size));
      }
    }
  }

  // base.cim, and top.cim to lie over it.
  void make_layers() const {
    make(u"base.cim", {{u"d", nullptr}, {u"d\\gone", "1"}, {u"d\\stays", "2"}, {u"both", "base"}});
    ImageHandle image;
    ASSERT_EQ(S_OK, create_image(nullptr, u"top.cim", image));
    fill(image, {{u"D", nullptr}, {u"BOTH", "top"}});
    ASSERT_EQ(S_OK, CimTombstoneFile(image.get(), u"\\D\\gone"));
    ASSERT_EQ(S_OK, CimCreateMergeLink(image.get(), u"D\\link", u"\\d\\stays"));
    ASSERT_EQ(S_OK, CimCommitImage(image.get()));
  }

  // A new image to which base.cim and top.cim are added, the topmost first.
  void begin_merge(ImageHandle& image) const {
    ASSERT_EQ(S_OK, create_image(nullptr, u"merged.cim", image));
    ASSERT_EQ(S_OK, CimAddFsToMergedImage(image.get(), u"top.cim"));
    ASSERT_EQ(S_OK, CimAddFsToMergedImage2(image.get(), u"base.cim", 0));
  }

  static std::string last_message() {
    char text[1024] = "";
    EXPECT_EQ(S_OK, CimGetLastErrorMessage(text, sizeof(text)));
    return text;
  }
};

TEST_F(MergeTest, TheFirstImageWins) {
  make_layers();
  ImageHandle merging;
  begin_merge(merging);
  ASSERT_EQ(S_OK, CimCommitImage(merging.get()));
  const Image image = open_image("merged.cim");
  EXPECT_EQ("top", contents(image, u"both"));
  EXPECT_FALSE(has_path(image, u"d\\gone"));
  EXPECT_EQ("2", contents(image, u"d\\link"));
  EXPECT_EQ(image.resolve(u"d\\stays"), image.resolve(u"d\\link"));
  EXPECT_EQ(2u, image.link_count(file_at(image, u"d\\link")));
}

TEST_F(MergeTest, ChangesGoOnTop) {
  make_layers();
  ImageHandle merging;
  begin_merge(merging);
  BOOLEAN exists = 0;
  ASSERT_EQ(S_OK, CimLookupFile(merging.get(), u"d\\stays", &exists));
  EXPECT_EQ(1, exists);
  EXPECT_EQ(E_INVALIDARG, CimAddFsToMergedImage(merging.get(), u"base.cim"));
  ASSERT_EQ(S_OK, CimDeletePath(merging.get(), u"both"));
  fill(merging, {{u"d\\new", "3"}});
  ASSERT_EQ(S_OK, CimCommitImage(merging.get()));
  const Image image = open_image("merged.cim");
  EXPECT_FALSE(has_path(image, u"both"));
  EXPECT_EQ("3", contents(image, u"d\\new"));
  EXPECT_EQ("2", contents(image, u"d\\link"));
}

TEST_F(MergeTest, AnImageIsNamedOrItsPathIsGiven) {
  make_layers();
  ImageHandle merging;
  ASSERT_EQ(S_OK, create_image(nullptr, u"merged.cim", merging));
  ASSERT_EQ(S_OK, CimAddFsToMergedImage(merging.get(), (directory16() + u"/top.cim").c_str()));
  ASSERT_EQ(S_OK, CimAddFsToMergedImage(merging.get(), u"base.cim"));
  std::filesystem::create_directory(directory() + "/other");
  std::filesystem::copy(directory() + "/base.cim", directory() + "/other/base.cim");
  EXPECT_EQ(E_INVALIDARG,
            CimAddFsToMergedImage(merging.get(), (directory16() + u"/other/base.cim").c_str()));
  ASSERT_EQ(S_OK, CimCommitImage(merging.get()));
  EXPECT_EQ("top", contents(open_image("merged.cim"), u"both"));
}

TEST_F(MergeTest, OnlyNewImagesAreMerged) {
  make_layers();
  ImageHandle fork;
  ASSERT_EQ(S_OK, create_image(u"base.cim", u"fork.cim", fork));
  EXPECT_EQ(E_INVALIDARG, CimAddFsToMergedImage(fork.get(), u"top.cim"));
  fork.close();
  ImageHandle changed;
  ASSERT_EQ(S_OK, create_image(nullptr, u"new.cim", changed));
  fill(changed, {{u"f", "1"}});
  EXPECT_EQ(E_INVALIDARG, CimAddFsToMergedImage(changed.get(), u"top.cim"));
  ASSERT_EQ(S_OK, CimCommitImage(changed.get()));
  EXPECT_EQ(E_INVALIDARG, CimAddFsToMergedImage(changed.get(), u"top.cim"));
  EXPECT_EQ("1", contents(open_image("new.cim"), u"f"));
}

TEST_F(MergeTest, BadImagesAndFlagsAreRefusedAtOnce) {
  make_layers();
  ImageHandle merging;
  begin_merge(merging);
  EXPECT_EQ(file_not_found, CimAddFsToMergedImage(merging.get(), u"missing.cim"));
  EXPECT_EQ(E_INVALIDARG, CimAddFsToMergedImage(merging.get(), nullptr));
  EXPECT_EQ(E_INVALIDARG, CimAddFsToMergedImage(merging.get(), u""));
  EXPECT_EQ(E_INVALIDARG, CimAddFsToMergedImage(nullptr, u"base.cim"));
  for (const UINT32 flags : {1u, 2u, 4u, 7u}) {
    EXPECT_EQ(not_supported, CimAddFsToMergedImage2(merging.get(), u"base.cim", flags));
  }
  EXPECT_EQ(E_INVALIDARG, CimAddFsToMergedImage2(merging.get(), u"base.cim", 8));
  EXPECT_EQ(S_OK, CimCommitImage(merging.get()));
  EXPECT_EQ("top", contents(open_image("merged.cim"), u"both"));
}

TEST_F(MergeTest, AFailedMergeCommitsNothing) {
  make_layers();
  make(u"lowest.cim", {{u"d", nullptr}});
  const auto before = directory_entries();
  ImageHandle merging;
  ASSERT_EQ(S_OK, create_image(nullptr, u"merged.cim", merging));
  ASSERT_EQ(S_OK, CimAddFsToMergedImage(merging.get(), u"top.cim"));
  ASSERT_EQ(S_OK, CimAddFsToMergedImage(merging.get(), u"lowest.cim"));
  EXPECT_EQ(path_not_found, CimCommitImage(merging.get()));
  EXPECT_NE(std::string::npos, last_message().find("top.cim: d/stays: the merge link 'link'"));
  EXPECT_EQ(path_not_found, CimCommitImage(merging.get()));
  merging.close();
  EXPECT_EQ(before, directory_entries());
}

TEST_F(MergeTest, InvalidPathsAreRefused) {
  ImageHandle image;
  ASSERT_EQ(S_OK, create_image(nullptr, u"a.cim", image));
  for (const PCWSTR path : {static_cast<PCWSTR>(nullptr), u"", u"\\", u"..", u"a\\\\b", u"f:s"}) {
    EXPECT_EQ(E_INVALIDARG, CimTombstoneFile(image.get(), path));
    EXPECT_EQ(E_INVALIDARG, CimCreateMergeLink(image.get(), path, u"f"));
    EXPECT_EQ(E_INVALIDARG, CimCreateMergeLink(image.get(), u"f", path));
  }
  EXPECT_EQ(path_not_found, CimTombstoneFile(image.get(), u"missing\\f"));
  EXPECT_EQ(path_not_found, CimCreateMergeLink(image.get(), u"missing\\f", u"f"));
  EXPECT_EQ(E_INVALIDARG, CimTombstoneFile(nullptr, u"f"));
  EXPECT_EQ(E_INVALIDARG, CimCreateMergeLink(nullptr, u"f", u"g"));
}

TEST_F(MergeTest, NothingIsMarkedWhileAStreamIsOpen) {
  ImageHandle image;
  ASSERT_EQ(S_OK, create_image(nullptr, u"a.cim", image));
  StreamHandle stream;
  const auto metadata = file_metadata(1);
  ASSERT_EQ(S_OK, CimCreateFile(image.get(), u"f", &metadata, stream.out()));
  EXPECT_EQ(sharing_violation, CimTombstoneFile(image.get(), u"g"));
  EXPECT_EQ(sharing_violation, CimCreateMergeLink(image.get(), u"g", u"f"));
  EXPECT_EQ(sharing_violation, CimAddFsToMergedImage(image.get(), u"b.cim"));
}

}  // namespace
}  // namespace cim::capi_test
