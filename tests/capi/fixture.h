// What the tests of the C API share: a directory of their own, handles that close themselves, and a
// look at what has been committed.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <cim/image.h>
#include <cimfs.h>
#include <gtest/gtest.h>

namespace cim::capi_test {

inline constexpr HRESULT file_not_found = HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND);
inline constexpr HRESULT path_not_found = HRESULT_FROM_WIN32(ERROR_PATH_NOT_FOUND);
inline constexpr HRESULT sharing_violation = HRESULT_FROM_WIN32(ERROR_SHARING_VIOLATION);
inline constexpr HRESULT handle_eof = HRESULT_FROM_WIN32(ERROR_HANDLE_EOF);
inline constexpr HRESULT not_supported = HRESULT_FROM_WIN32(ERROR_NOT_SUPPORTED);
inline constexpr HRESULT file_exists = HRESULT_FROM_WIN32(ERROR_FILE_EXISTS);
inline constexpr HRESULT insufficient_buffer = HRESULT_FROM_WIN32(ERROR_INSUFFICIENT_BUFFER);
inline constexpr HRESULT already_exists = HRESULT_FROM_WIN32(ERROR_ALREADY_EXISTS);
inline constexpr HRESULT image_corrupt = HRESULT_FROM_WIN32(ERROR_CIMFS_IMAGE_CORRUPT);
inline constexpr HRESULT version_not_supported =
    HRESULT_FROM_WIN32(ERROR_CIMFS_IMAGE_VERSION_NOT_SUPPORTED);
inline constexpr HRESULT io_device = HRESULT_FROM_WIN32(ERROR_IO_DEVICE);

// A handle that is closed when it goes out of scope.
template <typename Value, void (*close_value)(Value)>
class Handle {
 public:
  Handle() = default;
  Handle(const Handle&) = delete;
  Handle& operator=(const Handle&) = delete;
  ~Handle() { close(); }

  Value get() const { return value_; }
  Value* out() { return &value_; }
  void close() {
    close_value(value_);
    value_ = nullptr;
  }

 private:
  Value value_ = nullptr;
};

using ImageHandle = Handle<CIMFS_IMAGE_HANDLE, &CimCloseImage>;
using StreamHandle = Handle<CIMFS_STREAM_HANDLE, &CimCloseStream>;

// ASCII as UTF-16.
std::u16string to_utf16(std::string_view ascii);

// The least metadata that creates a file of `size` bytes.
CIMFS_FILE_METADATA file_metadata(INT64 size);
CIMFS_FILE_METADATA directory_metadata();

class CapiTest : public testing::Test {
 protected:
  CapiTest();
  ~CapiTest() override;

  const std::string& directory() const { return directory_; }
  std::u16string directory16() const { return to_utf16(directory_); }

  // The names of the files in directory().
  std::vector<std::string> directory_entries() const;

  // CimCreateImage() in directory().
  HRESULT create_image(PCWSTR existing, PCWSTR name, ImageHandle& image) const;

  // Commits an image `name` with a file `f` that holds `contents`.
  void commit_image(PCWSTR name, std::string_view contents) const;

  // Opens the committed image `name` of directory() for reading.
  Image open_image(std::string_view name) const;

 private:
  std::string directory_;
};

// A test that has an image `a.cim` open from its start.
class OpenImageTest : public CapiTest {
 protected:
  void SetUp() override;

  CIMFS_IMAGE_HANDLE image() const { return image_.get(); }

  // Calls on image(), without keeping the stream open.
  HRESULT create_file(PCWSTR path, const CIMFS_FILE_METADATA& metadata) const;
  void add_file(PCWSTR path, std::string_view contents) const;
  void add_directory(PCWSTR path) const;
  void add_stream(PCWSTR path, std::string_view contents) const;

  // CimLookupFile(), which must succeed.
  bool exists(PCWSTR path) const;

  // Commits and closes image() and opens it for reading.
  Image commit();

  ImageHandle image_;
};

// The file at `path`, which must be there.
File file_at(const Image& image, std::u16string_view path);

bool has_path(const Image& image, std::u16string_view path);

// All bytes of the file at `path`, or of `stream`.
std::string contents(const Image& image, std::u16string_view path);
std::string contents(const Image& image, const Stream& stream);

// All bytes of the stream `name` of the file at `path`, which must be there.
std::string stream_contents(const Image& image, std::u16string_view path, std::u16string_view name);

}  // namespace cim::capi_test
