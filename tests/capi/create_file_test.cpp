// CimCreateFile: what is created, what it replaces, and what is refused.
#include <cstring>
#include <limits>

#include "fixture.h"

namespace cim::capi_test {
namespace {

using CreateFileTest = OpenImageTest;
using Bytes = std::vector<std::uint8_t>;

// A security descriptor with an owner, S-1-1-0, and nothing else.
const Bytes security_descriptor = {
    1,  0, 0x00, 0x80,                          // revision, control: self-relative
    20, 0, 0,    0,    0, 0, 0, 0,              // owner, group
    0,  0, 0,    0,    0, 0, 0, 0,              // SACL, DACL
    1,  1, 0,    0,    0, 0, 0, 1, 0, 0, 0, 0,  // the SID
};

// Two attributes: A=xy and BC=z.
const Bytes extended_attributes = {
    12, 0, 0, 0, 0, 1, 2, 0, 'A', 0,   'x', 'y',  //
    0,  0, 0, 0, 0, 2, 1, 0, 'B', 'C', 0,   'z',
};

// A fifo of the Windows Subsystem for Linux: one of Microsoft's tags, without data.
const Bytes reparse_data = {0x24, 0, 0, 0x80, 0, 0, 0, 0};

Bytes to_bytes(ByteView view) {
  Bytes bytes(view.size());
  if (!view.empty()) std::memcpy(bytes.data(), view.data(), view.size());
  return bytes;
}

void set_security_descriptor(CIMFS_FILE_METADATA& metadata, const Bytes& bytes) {
  metadata.SecurityDescriptorBuffer = bytes.data();
  metadata.SecurityDescriptorSize = static_cast<UINT32>(bytes.size());
}

void set_extended_attributes(CIMFS_FILE_METADATA& metadata, const Bytes& bytes) {
  metadata.EaBuffer = bytes.data();
  metadata.EaBufferSize = static_cast<UINT32>(bytes.size());
}

void set_reparse_data(CIMFS_FILE_METADATA& metadata, const Bytes& bytes) {
  metadata.ReparseDataBuffer = bytes.data();
  metadata.ReparseDataSize = static_cast<UINT32>(bytes.size());
}

Bytes without_last(const Bytes& bytes) { return {bytes.begin(), bytes.end() - 1}; }

TEST_F(CreateFileTest, ContentsAreAppended) {
  StreamHandle stream;
  const auto metadata = file_metadata(11);
  ASSERT_EQ(S_OK, CimCreateFile(image(), u"f", &metadata, stream.out()));
  EXPECT_EQ(S_OK, CimWriteStream(stream.get(), "hello ", 6));
  EXPECT_EQ(S_OK, CimWriteStream(stream.get(), "", 0));
  EXPECT_EQ(S_OK, CimWriteStream(stream.get(), "world", 5));
  stream.close();
  EXPECT_EQ("hello world", contents(commit(), u"f"));
}

TEST_F(CreateFileTest, MetadataSurvives) {
  auto metadata = file_metadata(0);
  metadata.Attributes = FILE_ATTRIBUTE_READONLY | FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_SYSTEM;
  metadata.CreationTime.QuadPart = 132000000000000001;
  metadata.LastWriteTime.QuadPart = 132000000000000002;
  metadata.ChangeTime.QuadPart = 132000000000000003;
  metadata.LastAccessTime.QuadPart = 132000000000000004;
  set_security_descriptor(metadata, security_descriptor);
  set_extended_attributes(metadata, extended_attributes);
  set_reparse_data(metadata, reparse_data);
  ASSERT_EQ(S_OK, create_file(u"f", metadata));

  const Image committed = commit();
  const Metadata read = committed.metadata(file_at(committed, u"f"));
  EXPECT_EQ(metadata.Attributes | FILE_ATTRIBUTE_REPARSE_POINT, read.attributes);
  EXPECT_EQ(132000000000000001, read.creation_time);
  EXPECT_EQ(132000000000000002, read.last_write_time);
  EXPECT_EQ(132000000000000003, read.change_time);
  EXPECT_EQ(132000000000000004, read.last_access_time);
  EXPECT_EQ(security_descriptor, to_bytes(read.security_descriptor));
  EXPECT_EQ(extended_attributes, to_bytes(read.extended_attributes));
  EXPECT_EQ(reparse_data, to_bytes(read.reparse_data));
}

TEST_F(CreateFileTest, DirectoryIgnoresItsSize) {
  auto metadata = directory_metadata();
  metadata.FileSize = -1;
  EXPECT_EQ(S_OK, create_file(u"d", metadata));
  const Image committed = commit();
  EXPECT_TRUE(file_at(committed, u"d").is_directory());
}

TEST_F(CreateFileTest, WhatIsNeverWrittenReadsAsZeroAndTakesNoSpace) {
  constexpr std::size_t size = 1 << 20;
  StreamHandle stream;
  const auto metadata = file_metadata(size);
  ASSERT_EQ(S_OK, CimCreateFile(image(), u"partial", &metadata, stream.out()));
  ASSERT_EQ(S_OK, CimWriteStream(stream.get(), "0123456789", 10));
  stream.close();
  ASSERT_EQ(S_OK, create_file(u"untouched", metadata));

  const Image committed = commit();
  EXPECT_EQ("0123456789" + std::string(size - 10, '\0'), contents(committed, u"partial"));
  EXPECT_EQ(std::string(size, '\0'), contents(committed, u"untouched"));
  EXPECT_FALSE(committed.seek(file_at(committed, u"partial").stream, size / 2, true));
}

TEST_F(CreateFileTest, FileOverFileShowsOnlyTheLast) {
  add_file(u"f", "the first and longer version");
  add_stream(u"f:s", "of the first");
  add_file(u"F", "second");
  const Image committed = commit();
  EXPECT_EQ("second", contents(committed, u"f"));
  EXPECT_TRUE(committed.named_streams(file_at(committed, u"f")).empty());
  EXPECT_EQ(1u, committed.entries(committed.file(committed.root())).size());
}

TEST_F(CreateFileTest, DirectoryOverDirectoryKeepsItsContents) {
  add_directory(u"d");
  add_file(u"d\\f", "kept");
  auto metadata = directory_metadata();
  metadata.Attributes |= FILE_ATTRIBUTE_HIDDEN;
  ASSERT_EQ(S_OK, create_file(u"d", metadata));
  const Image committed = commit();
  EXPECT_EQ("kept", contents(committed, u"d\\f"));
  EXPECT_TRUE(file_at(committed, u"d").attributes & FILE_ATTRIBUTE_HIDDEN);
}

TEST_F(CreateFileTest, FileOverDirectoryRemovesTheTree) {
  add_directory(u"d");
  add_directory(u"d\\e");
  add_file(u"d\\e\\f", "gone");
  add_file(u"d", "now a file");
  EXPECT_FALSE(exists(u"d\\e"));
  EXPECT_EQ("now a file", contents(commit(), u"d"));
}

TEST_F(CreateFileTest, DirectoryOverFileReplacesIt) {
  add_file(u"d", "a file");
  add_directory(u"d");
  add_file(u"d\\f", "inside");
  EXPECT_EQ("inside", contents(commit(), u"d\\f"));
}

TEST_F(CreateFileTest, LeadingBackslashIsAllowed) {
  add_directory(u"\\d");
  add_file(u"\\d\\f", "x");
  EXPECT_EQ("x", contents(commit(), u"d\\f"));
}

TEST_F(CreateFileTest, BackslashAloneIsTheRootDirectory) {
  auto metadata = directory_metadata();
  metadata.LastWriteTime.QuadPart = 7;
  EXPECT_EQ(S_OK, create_file(u"\\", metadata));
  EXPECT_EQ(E_INVALIDARG, create_file(u"\\", file_metadata(0)));
  const Image committed = commit();
  EXPECT_EQ(7, committed.file(committed.root()).last_write_time);
}

TEST_F(CreateFileTest, InvalidPathsAreRefused) {
  add_directory(u"d");
  const std::u16string long_name(256, u'n');
  std::u16string long_path = u"d";
  while (long_path.size() <= 32767) long_path += u"\\d";
  const PCWSTR paths[] = {
      nullptr,
      u"",
      u"\\\\f",
      u"d\\\\f",
      u"d\\",
      u".",
      u"..",
      u"d\\..",
      u"d\\.\\f",
      u"a/b",
      u"a*b",
      u"a?b",
      u"a<b",
      u"a>b",
      u"a\"b",
      u"a|b",
      u"a\tb",
      u"f:s",
      u"f:",
      u":s",
      u"f::$DATA",
      long_name.c_str(),
      long_path.c_str(),
  };
  for (const PCWSTR path : paths) {
    StreamHandle stream;
    const auto metadata = file_metadata(0);
    EXPECT_EQ(E_INVALIDARG, CimCreateFile(image(), path, &metadata, stream.out()))
        << testing::PrintToString(std::u16string(path ? path : u"(null)").substr(0, 20));
    EXPECT_EQ(nullptr, stream.get());
  }
}

TEST_F(CreateFileTest, LongestNameIsAccepted) {
  const std::u16string name(255, u'n');
  EXPECT_EQ(S_OK, create_file(name.c_str(), file_metadata(0)));
  EXPECT_TRUE(has_path(commit(), name));
}

TEST_F(CreateFileTest, MissingParentIsPathNotFound) {
  add_file(u"f", "");
  EXPECT_EQ(path_not_found, create_file(u"missing\\f", file_metadata(0)));
  EXPECT_EQ(path_not_found, create_file(u"missing\\d", directory_metadata()));
  EXPECT_EQ(path_not_found, create_file(u"f\\f", file_metadata(0)));
}

TEST_F(CreateFileTest, MalformedSizesAreRefused) {
  EXPECT_EQ(E_INVALIDARG, create_file(u"f", file_metadata(-1)));
  EXPECT_EQ(E_INVALIDARG, create_file(u"f", file_metadata(std::numeric_limits<INT64>::min())));
  EXPECT_EQ(E_INVALIDARG, create_file(u"f", file_metadata(INT64{1} << 48)));
  EXPECT_EQ(S_OK, create_file(u"f", file_metadata((INT64{1} << 48) - 1)));
}

TEST_F(CreateFileTest, BufferWithoutSizeAndSizeWithoutBufferAreRefused) {
  const auto expect_refused = [&](auto set) {
    auto metadata = file_metadata(0);
    set(metadata);
    EXPECT_EQ(E_INVALIDARG, create_file(u"f", metadata));
  };
  expect_refused([](auto& m) { m.SecurityDescriptorSize = 20; });
  expect_refused([](auto& m) { m.ReparseDataSize = 8; });
  expect_refused([](auto& m) { m.EaBufferSize = 12; });
  expect_refused([](auto& m) { m.SecurityDescriptorBuffer = security_descriptor.data(); });
  expect_refused([](auto& m) { m.ReparseDataBuffer = reparse_data.data(); });
  expect_refused([](auto& m) { m.EaBuffer = extended_attributes.data(); });
}

TEST_F(CreateFileTest, MalformedSecurityDescriptorIsRefused) {
  const Bytes truncated = without_last(security_descriptor);
  Bytes absolute = security_descriptor;
  absolute[3] = 0;
  for (const Bytes& bytes : {truncated, absolute, Bytes{1, 2, 3}, Bytes(65536, 0)}) {
    auto metadata = file_metadata(0);
    set_security_descriptor(metadata, bytes);
    EXPECT_EQ(E_INVALIDARG, create_file(u"f", metadata));
  }
}

TEST_F(CreateFileTest, MalformedExtendedAttributesAreRefused) {
  const Bytes truncated = without_last(extended_attributes);
  Bytes looping = extended_attributes;
  looping[0] = 4;
  Bytes unterminated = extended_attributes;
  unterminated[9] = 'A';
  Bytes nameless = extended_attributes;
  nameless[5] = 0;
  for (const Bytes& bytes : {truncated, looping, unterminated, nameless, Bytes(65536, 0)}) {
    auto metadata = file_metadata(0);
    set_extended_attributes(metadata, bytes);
    EXPECT_EQ(E_INVALIDARG, create_file(u"f", metadata));
  }
}

TEST_F(CreateFileTest, MalformedReparseDataIsRefused) {
  const Bytes too_short = {0x24, 0, 0, 0x80, 0, 0, 0};
  const Bytes truncated = {0x24, 0, 0, 0x80, 4, 0, 0, 0, 1, 2, 3};
  const Bytes with_more = {0x24, 0, 0, 0x80, 0, 0, 0, 0, 1};
  const Bytes tag_zero(8 + 16, 0);
  const Bytes without_guid = {0x24, 0, 0, 0, 0, 0, 0, 0};
  const Bytes link_without_names = {0x0C, 0, 0, 0xA0, 0, 0, 0, 0};
  for (const Bytes& bytes :
       {too_short, truncated, with_more, tag_zero, without_guid, link_without_names}) {
    auto metadata = file_metadata(0);
    set_reparse_data(metadata, bytes);
    EXPECT_EQ(E_INVALIDARG, create_file(u"f", metadata));
  }
}

TEST_F(CreateFileTest, ReparseDataWithAGuidIsAccepted) {
  Bytes bytes = {0x24, 0, 0, 0, 2, 0, 0, 0};
  bytes.resize(8 + 16 + 2, 0xAB);
  auto metadata = file_metadata(0);
  set_reparse_data(metadata, bytes);
  ASSERT_EQ(S_OK, create_file(u"f", metadata));
  const Image committed = commit();
  EXPECT_EQ(bytes, to_bytes(committed.reparse_data(file_at(committed, u"f"))));
}

TEST_F(CreateFileTest, NullArgumentsAreRefused) {
  StreamHandle stream;
  const auto metadata = file_metadata(0);
  EXPECT_EQ(E_INVALIDARG, CimCreateFile(image(), u"f", nullptr, stream.out()));
  EXPECT_EQ(E_POINTER, CimCreateFile(image(), u"f", &metadata, nullptr));
}

TEST_F(CreateFileTest, RefusedCallLeavesWhatWasThere) {
  add_file(u"f", "old");
  EXPECT_EQ(E_INVALIDARG, create_file(u"f", file_metadata(-1)));
  EXPECT_EQ("old", contents(commit(), u"f"));
}

}  // namespace
}  // namespace cim::capi_test
