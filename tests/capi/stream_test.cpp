// CimCreateAlternateStream, CimWriteStream, CimCloseStream, and what an open stream prevents.
#include "fixture.h"

namespace cim::capi_test {
namespace {

using StreamTest = OpenImageTest;

HRESULT create_stream(CIMFS_IMAGE_HANDLE image, PCWSTR path, UINT64 size = 0) {
  StreamHandle stream;
  return CimCreateAlternateStream(image, path, size, stream.out());
}

// What each call that changes an image returns.
std::vector<HRESULT> try_all_changes(CIMFS_IMAGE_HANDLE image) {
  StreamHandle file;
  StreamHandle directory;
  const auto file_meta = file_metadata(0);
  const auto directory_meta = directory_metadata();
  return {
      CimCreateFile(image, u"x", &file_meta, file.out()),
      CimCreateFile(image, u"y", &directory_meta, directory.out()),
      create_stream(image, u"f:x"),
      CimCreateHardLink(image, u"z", u"f"),
      CimDeletePath(image, u"f"),
      CimDeletePath(image, u"f:s"),
      CimCommitImage(image),
  };
}

TEST_F(StreamTest, NamedStreamsOfFilesAndDirectoriesAreKept) {
  add_file(u"f", "main");
  add_directory(u"d");
  add_stream(u"f:one", "first");
  add_stream(u"f:two:$DATA", "second");
  add_stream(u"\\d:three:$data", "third");
  add_stream(u"\\:four", "of the root");

  const Image committed = commit();
  EXPECT_EQ("main", contents(committed, u"f"));
  EXPECT_EQ("first", stream_contents(committed, u"f", u"one"));
  EXPECT_EQ("second", stream_contents(committed, u"f", u"two"));
  EXPECT_EQ("third", stream_contents(committed, u"d", u"three"));
  EXPECT_EQ("of the root", stream_contents(committed, u"", u"four"));
}

TEST_F(StreamTest, NamedStreamOverAnotherReplacesIt) {
  add_file(u"f", "");
  add_stream(u"f:s", "the first and longer");
  add_stream(u"f:S:$DATA", "second");
  const Image committed = commit();
  EXPECT_EQ(1u, committed.named_streams(file_at(committed, u"f")).size());
  EXPECT_EQ("second", stream_contents(committed, u"f", u"s"));
}

TEST_F(StreamTest, NamedStreamIsZeroWhereNeverWritten) {
  add_file(u"f", "");
  StreamHandle stream;
  ASSERT_EQ(S_OK, CimCreateAlternateStream(image(), u"f:s", 8, stream.out()));
  ASSERT_EQ(S_OK, CimWriteStream(stream.get(), "abc", 3));
  stream.close();
  EXPECT_EQ(std::string("abc\0\0\0\0\0", 8), stream_contents(commit(), u"f", u"s"));
}

TEST_F(StreamTest, PathsThatNameNoStreamAreInvalid) {
  add_file(u"f", "");
  add_directory(u"d");
  const std::u16string long_name = u"f:" + std::u16string(256, u's');
  for (const PCWSTR path :
       {static_cast<PCWSTR>(nullptr), u"", u"f", u"f:", u":s", u"f::$DATA", u"f:s:", u"f:s:$INDEX",
        u"f:s:$DATA:", u"d:s\\f", u"f:a/b", u"..:s", long_name.c_str()}) {
    EXPECT_EQ(E_INVALIDARG, create_stream(image(), path))
        << testing::PrintToString(std::u16string(path ? path : u"(null)").substr(0, 20));
  }
  EXPECT_EQ(E_INVALIDARG, create_stream(image(), u"f:s", UINT64{1} << 48));
  EXPECT_EQ(E_POINTER, CimCreateAlternateStream(image(), u"f:s", 0, nullptr));
}

TEST_F(StreamTest, NamedStreamOfAMissingFileIsPathNotFound) {
  EXPECT_EQ(path_not_found, create_stream(image(), u"missing:s"));
  EXPECT_EQ(path_not_found, create_stream(image(), u"missing\\f:s"));
}

TEST_F(StreamTest, WritePastTheSizeKeepsWhatFits) {
  StreamHandle stream;
  const auto metadata = file_metadata(5);
  ASSERT_EQ(S_OK, CimCreateFile(image(), u"f", &metadata, stream.out()));
  EXPECT_EQ(S_OK, CimWriteStream(stream.get(), "abc", 3));
  EXPECT_EQ(handle_eof, CimWriteStream(stream.get(), "defg", 4));
  EXPECT_EQ(handle_eof, CimWriteStream(stream.get(), "h", 1));
  stream.close();
  EXPECT_EQ("abcde", contents(commit(), u"f"));
}

TEST_F(StreamTest, NullBufferIsAPointerError) {
  StreamHandle stream;
  const auto metadata = file_metadata(5);
  ASSERT_EQ(S_OK, CimCreateFile(image(), u"f", &metadata, stream.out()));
  EXPECT_EQ(E_POINTER, CimWriteStream(stream.get(), nullptr, 3));
  EXPECT_EQ(S_OK, CimWriteStream(stream.get(), "abc", 3));
}

TEST_F(StreamTest, DirectoryCannotBeWritten) {
  StreamHandle stream;
  const auto metadata = directory_metadata();
  ASSERT_EQ(S_OK, CimCreateFile(image(), u"d", &metadata, stream.out()));
  ASSERT_NE(nullptr, stream.get());
  EXPECT_EQ(E_INVALIDARG, CimWriteStream(stream.get(), "x", 1));
}

TEST_F(StreamTest, OpenFileStreamIsSharingViolationForAllChangesAndGoesOnUnharmed) {
  add_file(u"f", "kept");
  add_stream(u"f:s", "kept too");
  StreamHandle stream;
  const auto metadata = file_metadata(6);
  ASSERT_EQ(S_OK, CimCreateFile(image(), u"g", &metadata, stream.out()));
  ASSERT_EQ(S_OK, CimWriteStream(stream.get(), "abc", 3));
  for (const HRESULT result : try_all_changes(image())) EXPECT_EQ(sharing_violation, result);
  EXPECT_TRUE(exists(u"g"));
  EXPECT_EQ(S_OK, CimWriteStream(stream.get(), "def", 3));
  stream.close();

  const Image committed = commit();
  EXPECT_EQ("abcdef", contents(committed, u"g"));
  EXPECT_EQ("kept", contents(committed, u"f"));
  EXPECT_EQ("kept too", stream_contents(committed, u"f", u"s"));
  EXPECT_FALSE(has_path(committed, u"x"));
}

TEST_F(StreamTest, OpenDirectoryStreamIsSharingViolationForAllChanges) {
  StreamHandle stream;
  const auto metadata = directory_metadata();
  ASSERT_EQ(S_OK, CimCreateFile(image(), u"d", &metadata, stream.out()));
  for (const HRESULT result : try_all_changes(image())) EXPECT_EQ(sharing_violation, result);
  stream.close();
  EXPECT_EQ(S_OK, CimCommitImage(image()));
}

TEST_F(StreamTest, OpenNamedStreamIsSharingViolationForAllChanges) {
  add_file(u"f", "");
  StreamHandle stream;
  ASSERT_EQ(S_OK, CimCreateAlternateStream(image(), u"f:open", 3, stream.out()));
  for (const HRESULT result : try_all_changes(image())) EXPECT_EQ(sharing_violation, result);
  EXPECT_EQ(S_OK, CimWriteStream(stream.get(), "abc", 3));
  stream.close();
  EXPECT_EQ("abc", stream_contents(commit(), u"f", u"open"));
}

}  // namespace
}  // namespace cim::capi_test
