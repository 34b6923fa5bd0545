// CimCreateHardLink, CimDeletePath and CimLookupFile.
#include "fixture.h"

namespace cim::capi_test {
namespace {

using HardLinkTest = OpenImageTest;
using DeletePathTest = OpenImageTest;
using LookupFileTest = OpenImageTest;

TEST_F(HardLinkTest, BothNamesAreOneFile) {
  add_directory(u"d");
  add_file(u"f", "shared");
  ASSERT_EQ(S_OK, CimCreateHardLink(image(), u"\\d\\link", u"\\f"));
  const Image committed = commit();
  EXPECT_EQ(committed.resolve(u"f"), committed.resolve(u"d\\link"));
  EXPECT_EQ(2u, committed.link_count(file_at(committed, u"f")));
  EXPECT_EQ("shared", contents(committed, u"d\\link"));
}

TEST_F(HardLinkTest, FileAtTheNewPathIsReplaced) {
  add_file(u"f", "new");
  add_file(u"link", "old");
  ASSERT_EQ(S_OK, CimCreateHardLink(image(), u"link", u"f"));
  EXPECT_EQ("new", contents(commit(), u"link"));
}

TEST_F(HardLinkTest, DirectoryIsAccessDenied) {
  add_directory(u"d");
  add_file(u"f", "");
  EXPECT_EQ(E_ACCESSDENIED, CimCreateHardLink(image(), u"link", u"d"));
  EXPECT_EQ(E_ACCESSDENIED, CimCreateHardLink(image(), u"link", u"\\"));
  EXPECT_EQ(E_ACCESSDENIED, CimCreateHardLink(image(), u"d", u"f"));
  EXPECT_FALSE(exists(u"link"));
}

TEST_F(HardLinkTest, MissingFileOrParentIsPathNotFound) {
  add_file(u"f", "");
  EXPECT_EQ(path_not_found, CimCreateHardLink(image(), u"link", u"missing"));
  EXPECT_EQ(path_not_found, CimCreateHardLink(image(), u"link", u"missing\\f"));
  EXPECT_EQ(path_not_found, CimCreateHardLink(image(), u"missing\\link", u"f"));
}

TEST_F(HardLinkTest, InvalidPathsAreRefused) {
  add_file(u"f", "");
  add_stream(u"f:s", "");
  for (const PCWSTR path : {static_cast<PCWSTR>(nullptr), u"", u"..", u"a\\\\b", u"f:s", u"a/b"}) {
    EXPECT_EQ(E_INVALIDARG, CimCreateHardLink(image(), path, u"f"));
    EXPECT_EQ(E_INVALIDARG, CimCreateHardLink(image(), u"link", path));
  }
}

TEST_F(DeletePathTest, FileIsRemoved) {
  add_file(u"f", "");
  EXPECT_EQ(S_OK, CimDeletePath(image(), u"\\F"));
  EXPECT_FALSE(has_path(commit(), u"f"));
}

TEST_F(DeletePathTest, OneOfTwoLinksIsRemoved) {
  add_file(u"f", "shared");
  ASSERT_EQ(S_OK, CimCreateHardLink(image(), u"link", u"f"));
  EXPECT_EQ(S_OK, CimDeletePath(image(), u"f"));
  const Image committed = commit();
  EXPECT_FALSE(has_path(committed, u"f"));
  EXPECT_EQ("shared", contents(committed, u"link"));
  EXPECT_EQ(1u, committed.link_count(file_at(committed, u"link")));
}

TEST_F(DeletePathTest, DirectoryIsRemovedWithAllBelow) {
  add_directory(u"d");
  add_directory(u"d\\e");
  add_file(u"d\\e\\f", "");
  EXPECT_EQ(S_OK, CimDeletePath(image(), u"d"));
  EXPECT_FALSE(exists(u"d\\e\\f"));
  EXPECT_FALSE(has_path(commit(), u"d"));
}

TEST_F(DeletePathTest, StreamIsRemovedAndTheFileStays) {
  add_file(u"f", "main");
  add_stream(u"f:one", "1");
  add_stream(u"f:two", "2");
  EXPECT_EQ(S_OK, CimDeletePath(image(), u"f:ONE:$DATA"));
  const Image committed = commit();
  EXPECT_EQ("main", contents(committed, u"f"));
  EXPECT_EQ(1u, committed.named_streams(file_at(committed, u"f")).size());
  EXPECT_EQ("2", stream_contents(committed, u"f", u"two"));
}

TEST_F(DeletePathTest, WhatDoesNotExistIsPathNotFound) {
  add_file(u"f", "");
  EXPECT_EQ(path_not_found, CimDeletePath(image(), u"missing"));
  EXPECT_EQ(path_not_found, CimDeletePath(image(), u"missing\\f"));
  EXPECT_EQ(path_not_found, CimDeletePath(image(), u"f\\f"));
  EXPECT_EQ(path_not_found, CimDeletePath(image(), u"f:missing"));
  EXPECT_EQ(path_not_found, CimDeletePath(image(), u"missing:s"));
}

TEST_F(DeletePathTest, InvalidPathsAndTheRootAreRefused) {
  for (const PCWSTR path :
       {static_cast<PCWSTR>(nullptr), u"", u"\\", u".", u"f\\", u"f:", u"f::$DATA", u"a/b"}) {
    EXPECT_EQ(E_INVALIDARG, CimDeletePath(image(), path));
  }
}

TEST_F(LookupFileTest, TellsWhatIsInTheImageNow) {
  EXPECT_TRUE(exists(u"\\"));
  EXPECT_FALSE(exists(u"d"));
  add_directory(u"d");
  add_file(u"d\\f", "");
  EXPECT_TRUE(exists(u"d"));
  EXPECT_TRUE(exists(u"\\D\\F"));
  EXPECT_FALSE(exists(u"d\\missing"));
  EXPECT_FALSE(exists(u"missing\\f"));
  EXPECT_FALSE(exists(u"d\\f\\f"));
  ASSERT_EQ(S_OK, CimDeletePath(image(), u"d"));
  EXPECT_FALSE(exists(u"d\\f"));
}

TEST_F(LookupFileTest, SeesTheExistingImage) {
  add_file(u"f", "");
  ASSERT_EQ(S_OK, CimCommitImage(image()));
  image_.close();
  ASSERT_EQ(S_OK, create_image(u"a.cim", u"b.cim", image_));
  EXPECT_TRUE(exists(u"f"));
}

TEST_F(LookupFileTest, InvalidPathsAreRefused) {
  BOOLEAN result = 1;
  for (const PCWSTR path : {static_cast<PCWSTR>(nullptr), u"", u"..", u"f\\", u"f:s", u"a/b"}) {
    EXPECT_EQ(E_INVALIDARG, CimLookupFile(image(), path, &result));
    EXPECT_EQ(0, result);
  }
  EXPECT_EQ(E_POINTER, CimLookupFile(image(), u"f", nullptr));
}

}  // namespace
}  // namespace cim::capi_test
