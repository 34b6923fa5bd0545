// CimReadFile and CimGetFileStatBasicInformation: committed images without a mount.
#include <fstream>
#include <numeric>

#include "fixture.h"

namespace cim::capi_test {
namespace {

// A test that asks for files of the image `a.cim`, once it is committed.
class ImageFileTest : public OpenImageTest {
 protected:
  std::u16string path() const { return directory16() + u"/a.cim"; }

  struct Read {
    HRESULT result = E_FAIL;
    std::string bytes;
    UINT64 remaining = 1;
  };

  Read read(PCWSTR file, UINT64 offset, std::size_t size) const {
    Read read;
    UINT64 count = size + 1;
    std::string buffer(size + 1, 'x');  // never empty, so that there is always a buffer
    read.result =
        CimReadFile(path().c_str(), file, offset, buffer.data(), size, &count, &read.remaining);
    EXPECT_LE(count, size);
    EXPECT_EQ('x', buffer.back());
    read.bytes = buffer.substr(0, count);
    return read;
  }

  HRESULT status(PCWSTR file, FILE_STAT_BASIC_INFORMATION& info) const {
    return CimGetFileStatBasicInformation(path().c_str(), file, &info);
  }
};

TEST_F(ImageFileTest, PartsOfAFileAreRead) {
  add_directory(u"d");
  add_file(u"d\\f", "0123456789");
  commit();
  EXPECT_EQ("0123", read(u"d\\f", 0, 4).bytes);
  EXPECT_EQ(6u, read(u"d\\f", 0, 4).remaining);
  EXPECT_EQ("456789", read(u"\\D\\F", 4, 100).bytes);
  EXPECT_EQ(0u, read(u"d\\f", 4, 100).remaining);
  EXPECT_EQ("", read(u"d\\f", 4, 0).bytes);
  EXPECT_EQ(6u, read(u"d\\f", 4, 0).remaining);
}

TEST_F(ImageFileTest, AtTheEndNothingIsRead) {
  add_file(u"f", "0123456789");
  add_file(u"empty", "");
  commit();
  for (const UINT64 offset : {UINT64{10}, UINT64{11}, UINT64{UINT64_MAX}}) {
    const Read end = read(u"f", offset, 5);
    EXPECT_EQ(S_OK, end.result) << offset;
    EXPECT_EQ("", end.bytes);
    EXPECT_EQ(0u, end.remaining);
  }
  EXPECT_EQ(S_OK, read(u"empty", 0, 5).result);
}

TEST_F(ImageFileTest, OfALargeFileEveryPartIsRead) {
  std::string text(300000, '\0');
  std::iota(text.begin(), text.end(), '\1');
  add_file(u"f", text);
  commit();
  std::string all;
  Read part;
  do {
    part = read(u"f", all.size(), 70001);
    ASSERT_EQ(S_OK, part.result);
    all += part.bytes;
  } while (part.remaining > 0);
  EXPECT_TRUE(all == text);
}

TEST_F(ImageFileTest, ADirectoryIsNotRead) {
  add_directory(u"d");
  add_file(u"d\\f", "text");
  commit();
  for (const std::size_t size : {0, 5}) {
    EXPECT_EQ(E_ACCESSDENIED, read(u"d", 0, size).result) << size;
    EXPECT_EQ(0u, read(u"d", 0, size).remaining) << size;
    EXPECT_EQ(E_ACCESSDENIED, read(u"\\", 0, size).result) << size;
  }
}

TEST_F(ImageFileTest, AFileHasItsMetadata) {
  CIMFS_FILE_METADATA metadata = file_metadata(5);
  metadata.Attributes = FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_READONLY;
  metadata.CreationTime.QuadPart = 1;
  metadata.LastWriteTime.QuadPart = 2;
  metadata.ChangeTime.QuadPart = 3;
  metadata.LastAccessTime.QuadPart = -4;
  StreamHandle stream;
  ASSERT_EQ(S_OK, CimCreateFile(image(), u"f", &metadata, stream.out()));
  ASSERT_EQ(S_OK, CimWriteStream(stream.get(), "12345", 5));
  stream.close();
  ASSERT_EQ(S_OK, CimCreateHardLink(image(), u"link", u"f"));
  const Image committed = commit();

  FILE_STAT_BASIC_INFORMATION info;
  ASSERT_EQ(S_OK, status(u"LINK", info));
  EXPECT_EQ(committed.resolve(u"f").value(), info.FileId.QuadPart);
  EXPECT_EQ(1, info.CreationTime.QuadPart);
  EXPECT_EQ(2, info.LastWriteTime.QuadPart);
  EXPECT_EQ(3, info.ChangeTime.QuadPart);
  EXPECT_EQ(-4, info.LastAccessTime.QuadPart);
  EXPECT_EQ(5, info.EndOfFile.QuadPart);
  EXPECT_EQ(4096, info.AllocationSize.QuadPart);
  EXPECT_EQ(FILE_ATTRIBUTE_HIDDEN | FILE_ATTRIBUTE_READONLY, info.FileAttributes);
  EXPECT_EQ(0u, info.ReparseTag);
  EXPECT_EQ(2u, info.NumberOfLinks);
  EXPECT_EQ(FILE_DEVICE_DISK, info.DeviceType);
  EXPECT_EQ(0u, info.DeviceCharacteristics);
  EXPECT_EQ(0, info.VolumeSerialNumber.QuadPart);
  EXPECT_EQ(info.FileId.LowPart, info.FileId128.Identifier[0]);
  EXPECT_EQ(0, info.FileId128.Identifier[15]);
}

TEST_F(ImageFileTest, ADirectoryHasNoDataAndOneLink) {
  add_directory(u"d");
  add_directory(u"d\\e");
  commit();
  for (PCWSTR path : {u"d", u"\\"}) {
    FILE_STAT_BASIC_INFORMATION info;
    ASSERT_EQ(S_OK, status(path, info));
    EXPECT_EQ(FILE_ATTRIBUTE_DIRECTORY, info.FileAttributes);
    EXPECT_EQ(1u, info.NumberOfLinks);
    EXPECT_EQ(0, info.EndOfFile.QuadPart);
    EXPECT_EQ(0, info.AllocationSize.QuadPart);
  }
}

TEST_F(ImageFileTest, AFileWithoutAttributesIsNormalAndAHoleTakesNoSpace) {
  CIMFS_FILE_METADATA metadata = file_metadata(1 << 20);
  metadata.Attributes = 0;
  ASSERT_EQ(S_OK, create_file(u"hole", metadata));
  commit();
  FILE_STAT_BASIC_INFORMATION info;
  ASSERT_EQ(S_OK, status(u"hole", info));
  EXPECT_EQ(FILE_ATTRIBUTE_NORMAL, info.FileAttributes);
  EXPECT_EQ(1 << 20, info.EndOfFile.QuadPart);
  EXPECT_EQ(0, info.AllocationSize.QuadPart);
}

TEST_F(ImageFileTest, WhatIsMissingIsNotFound) {
  add_directory(u"d");
  add_file(u"f", "text");
  commit();
  FILE_STAT_BASIC_INFORMATION info;
  for (PCWSTR path : {u"missing", u"d\\missing"}) {
    EXPECT_EQ(file_not_found, read(path, 0, 5).result);
    EXPECT_EQ(file_not_found, status(path, info));
  }
  for (PCWSTR path : {u"missing\\f", u"f\\f", u"d\\missing\\f"}) {
    EXPECT_EQ(path_not_found, read(path, 0, 5).result);
    EXPECT_EQ(path_not_found, status(path, info));
  }
  const std::u16string no_image = directory16() + u"/b.cim";
  EXPECT_EQ(file_not_found, CimGetFileStatBasicInformation(no_image.c_str(), u"f", &info));
}

TEST_F(ImageFileTest, MalformedPathsAreInvalid) {
  add_file(u"f", "text");
  add_stream(u"f:s", "stream");
  commit();
  FILE_STAT_BASIC_INFORMATION info;
  for (PCWSTR path : {PCWSTR{nullptr}, u"", u"..", u"f:s", u"f\\", u"a*"}) {
    EXPECT_EQ(E_INVALIDARG, read(path, 0, 5).result);
    EXPECT_EQ(E_INVALIDARG, status(path, info));
  }
  EXPECT_EQ(E_INVALIDARG, CimGetFileStatBasicInformation(nullptr, u"f", &info));
  EXPECT_EQ(E_INVALIDARG, CimGetFileStatBasicInformation(u"", u"f", &info));
}

TEST_F(ImageFileTest, NullOutputsArePointerErrors) {
  add_file(u"f", "text");
  commit();
  const std::u16string image = path();
  char buffer[4];
  UINT64 count = 7;
  UINT64 remaining = 7;
  EXPECT_EQ(E_POINTER, CimReadFile(image.c_str(), u"f", 0, nullptr, 4, &count, &remaining));
  EXPECT_EQ(0u, count + remaining);
  EXPECT_EQ(E_POINTER, CimReadFile(image.c_str(), u"f", 0, buffer, 4, nullptr, &remaining));
  EXPECT_EQ(E_POINTER, CimReadFile(image.c_str(), u"f", 0, buffer, 4, &count, nullptr));
  EXPECT_EQ(E_POINTER, CimGetFileStatBasicInformation(image.c_str(), u"f", nullptr));
}

TEST_F(ImageFileTest, AFailureClearsWhatIsTold) {
  std::ofstream(directory() + "/a.cim") << "this is not an image";
  FILE_STAT_BASIC_INFORMATION info;
  info.EndOfFile.QuadPart = 7;
  EXPECT_EQ(image_corrupt, status(u"f", info));
  EXPECT_EQ(0, info.EndOfFile.QuadPart);
  const Read failed = read(u"f", 0, 5);
  EXPECT_EQ(image_corrupt, failed.result);
  EXPECT_EQ("", failed.bytes);
  EXPECT_EQ(0u, failed.remaining);
}

}  // namespace
}  // namespace cim::capi_test
