// The C API, without mounts: each byte of the input chooses a call, those after it its arguments.
#include <array>
#include <utility>
#include <vector>

#include <cimfs.h>

#include "fuzz/input.h"
#include "support/temporary_directory.h"

namespace cim::fuzz {
namespace {

constexpr std::array<PCWSTR, 12> paths = {nullptr, u"",     u"a",      u"d",   u"d\\b", u"\\a",
                                          u"..",   u"d\\d", u"a\\b:s", u"a:s", u"A",    u"d\\"};
constexpr std::array<PCWSTR, 5> image_names = {nullptr, u"", u"a.cim", u"b.cim", u"../a.cim"};

PCWSTR path(Input& input) { return paths[input.take<std::uint8_t>() % paths.size()]; }
PCWSTR image_name(Input& input) {
  return image_names[input.take<std::uint8_t>() % image_names.size()];
}

// A sequence of calls on one directory. Handles are used even after they are closed.
class Session {
 public:
  Session()
      : directory_name_(directory_.path().native().begin(), directory_.path().native().end()),
        committed_(directory_name_ + u"/a.cim") {}

  void call(Input& input) {
    switch (input.take<std::uint8_t>() % 14) {
      case 0: {
        PCWSTR existing = image_name(input);
        CIMFS_IMAGE_HANDLE image;
        CimCreateImage(directory_name_.c_str(), existing, image_name(input), &image);
        open(image, image_, images_);
        break;
      }
      case 1:
        create_file(input);
        break;
      case 2: {
        PCWSTR name = path(input);
        CIMFS_STREAM_HANDLE stream;
        CimCreateAlternateStream(image_, name, input.take<std::uint16_t>(), &stream);
        open(stream, stream_, streams_);
        break;
      }
      case 3: {
        PCWSTR name = path(input);
        CimCreateHardLink(image_, name, path(input));
        break;
      }
      case 4:
        CimDeletePath(image_, path(input));
        break;
      case 5: {
        BOOLEAN exists;
        CimLookupFile(image_, path(input), &exists);
        break;
      }
      case 6: {
        const ByteView data = input.take_bytes(input.take<std::uint8_t>());
        CimWriteStream(stream_, data.data(), static_cast<UINT32>(data.size()));
        break;
      }
      case 7:
        CimCloseStream(stream_);
        break;
      case 8:
        CimCommitImage(image_);
        break;
      case 9:
        CimCloseImage(image_);
        break;
      case 10:
        std::swap(image_, other_image_);
        break;
      case 11: {
        PCWSTR existing = image_name(input);
        const CIM_CREATE_IMAGE_FLAGS flags{input.take<std::uint8_t>()};
        CIMFS_IMAGE_HANDLE image;
        CimCreateImage2(directory_name_.c_str(), flags, existing, image_name(input), &image);
        open(image, image_, images_);
        break;
      }
      case 12: {
        PCWSTR name = path(input);
        std::vector<std::byte> buffer(1 + input.take<std::uint8_t>());
        UINT64 read;
        UINT64 remaining;
        CimReadFile(committed_.c_str(), name, input.take<std::uint16_t>(), buffer.data(),
                    buffer.size(), &read, &remaining);
        break;
      }
      default: {
        FILE_STAT_BASIC_INFORMATION info;
        CimGetFileStatBasicInformation(committed_.c_str(), path(input), &info);
        break;
      }
    }
  }

  // Closes whatever is still open.
  void close() {
    for (const CIMFS_STREAM_HANDLE stream : streams_) CimCloseStream(stream);
    for (const CIMFS_IMAGE_HANDLE image : images_) CimCloseImage(image);
  }

 private:
  // Uses the handle `opened` from now on, if it is one.
  template <typename Handle>
  static void open(Handle opened, Handle& current, std::vector<Handle>& all) {
    if (opened == nullptr) return;
    current = opened;
    all.push_back(opened);
  }

  void create_file(Input& input) {
    PCWSTR name = path(input);
    CIMFS_FILE_METADATA metadata = {};
    metadata.Attributes = input.take<std::uint16_t>();
    metadata.FileSize = input.take<std::int16_t>();
    metadata.CreationTime.QuadPart = input.take<std::int64_t>();
    const auto buffer = [&](const void*& data, UINT32& size) {
      // In memory of exactly its size, so that the sanitizer sees reads past the end.
      const ByteView bytes = input.take_bytes(input.take<std::uint8_t>());
      buffers_.emplace_back(bytes.begin(), bytes.end());
      data = bytes.empty() ? nullptr : buffers_.back().data();
      size = static_cast<UINT32>(bytes.size());
    };
    buffer(metadata.SecurityDescriptorBuffer, metadata.SecurityDescriptorSize);
    buffer(metadata.ReparseDataBuffer, metadata.ReparseDataSize);
    buffer(metadata.EaBuffer, metadata.EaBufferSize);
    CIMFS_STREAM_HANDLE stream;
    CimCreateFile(image_, name, &metadata, &stream);
    open(stream, stream_, streams_);
  }

  test::TemporaryDirectory directory_;
  std::u16string directory_name_;
  std::u16string committed_;  // where an image may be
  std::vector<std::vector<std::byte>> buffers_;
  CIMFS_IMAGE_HANDLE image_ = nullptr;
  CIMFS_IMAGE_HANDLE other_image_ = nullptr;
  CIMFS_STREAM_HANDLE stream_ = nullptr;
  std::vector<CIMFS_IMAGE_HANDLE> images_;  // all that were opened
  std::vector<CIMFS_STREAM_HANDLE> streams_;
};

}  // namespace
}  // namespace cim::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  cim::fuzz::Session session;
  cim::fuzz::Input input(data, size);
  while (!input.empty()) session.call(input);
  session.close();
  return 0;
}
