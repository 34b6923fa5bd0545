// See fixture.h.
#include "fixture.h"

#include <algorithm>
#include <filesystem>
#include <stdexcept>
#include <system_error>

#include <stdlib.h>

namespace cim::capi_test {

namespace {

void write_contents(StreamHandle& stream, std::string_view contents) {
  if (contents.empty()) return;
  EXPECT_EQ(S_OK,
            CimWriteStream(stream.get(), contents.data(), static_cast<UINT32>(contents.size())));
}

void add_file_to(CIMFS_IMAGE_HANDLE image, PCWSTR path, std::string_view contents) {
  StreamHandle stream;
  const auto metadata = file_metadata(static_cast<INT64>(contents.size()));
  ASSERT_EQ(S_OK, CimCreateFile(image, path, &metadata, stream.out()));
  write_contents(stream, contents);
}

}  // namespace

std::u16string to_utf16(std::string_view ascii) { return {ascii.begin(), ascii.end()}; }

CIMFS_FILE_METADATA file_metadata(INT64 size) {
  CIMFS_FILE_METADATA metadata = {};
  metadata.Attributes = FILE_ATTRIBUTE_ARCHIVE;
  metadata.FileSize = size;
  return metadata;
}

CIMFS_FILE_METADATA directory_metadata() {
  CIMFS_FILE_METADATA metadata = {};
  metadata.Attributes = FILE_ATTRIBUTE_DIRECTORY;
  return metadata;
}

CapiTest::CapiTest() : directory_(std::filesystem::temp_directory_path() / "cimfs-capi-XXXXXX") {
  if (mkdtemp(directory_.data()) == nullptr) throw std::runtime_error("mkdtemp: " + directory_);
}

CapiTest::~CapiTest() {
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

std::vector<std::string> CapiTest::directory_entries() const {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(directory_)) {
    names.push_back(entry.path().filename());
  }
  return names;
}

HRESULT CapiTest::create_image(PCWSTR existing, PCWSTR name, ImageHandle& image) const {
  return CimCreateImage(directory16().c_str(), existing, name, image.out());
}

void CapiTest::commit_image(PCWSTR name, std::string_view contents) const {
  ImageHandle image;
  ASSERT_EQ(S_OK, create_image(nullptr, name, image));
  add_file_to(image.get(), u"f", contents);
  ASSERT_EQ(S_OK, CimCommitImage(image.get()));
}

Image CapiTest::open_image(std::string_view name) const {
  return Image(directory_ + "/" + std::string(name));
}

void OpenImageTest::SetUp() { ASSERT_EQ(S_OK, create_image(nullptr, u"a.cim", image_)); }

HRESULT OpenImageTest::create_file(PCWSTR path, const CIMFS_FILE_METADATA& metadata) const {
  StreamHandle stream;
  return CimCreateFile(image(), path, &metadata, stream.out());
}

void OpenImageTest::add_file(PCWSTR path, std::string_view contents) const {
  add_file_to(image(), path, contents);
}

void OpenImageTest::add_directory(PCWSTR path) const {
  EXPECT_EQ(S_OK, create_file(path, directory_metadata()));
}

void OpenImageTest::add_stream(PCWSTR path, std::string_view contents) const {
  StreamHandle stream;
  ASSERT_EQ(S_OK, CimCreateAlternateStream(image(), path, contents.size(), stream.out()));
  write_contents(stream, contents);
}

bool OpenImageTest::exists(PCWSTR path) const {
  BOOLEAN result = 2;
  EXPECT_EQ(S_OK, CimLookupFile(image(), path, &result));
  EXPECT_LE(result, 1);
  return result == 1;
}

Image OpenImageTest::commit() {
  EXPECT_EQ(S_OK, CimCommitImage(image()));
  image_.close();
  return open_image("a.cim");
}

File file_at(const Image& image, std::u16string_view path) {
  return image.file(image.resolve(path).value());
}

bool has_path(const Image& image, std::u16string_view path) {
  return image.resolve(path).has_value();
}

std::string contents(const Image& image, std::u16string_view path) {
  return contents(image, file_at(image, path).stream);
}

std::string contents(const Image& image, const Stream& stream) {
  std::string bytes(stream.length, 'x');
  const auto read = image.read(stream, 0, std::as_writable_bytes(std::span(bytes)));
  EXPECT_EQ(bytes.size(), read);
  return bytes;
}

std::string stream_contents(const Image& image, std::u16string_view path,
                            std::u16string_view name) {
  return contents(image, image.find_named_stream(file_at(image, path), name).value());
}

}  // namespace cim::capi_test
