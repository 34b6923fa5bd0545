// The functions of cimfs.h: where handles become objects and exceptions become HRESULTs.
#include <bit>
#include <cstring>
#include <exception>
#include <memory>
#include <new>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cim/error.h>
#include <cimfs.h>

#include "capi/file_metadata.h"
#include "capi/handle_table.h"
#include "capi/image_file.h"
#include "capi/image_session.h"
#include "capi/last_message.h"
#include "capi/paths.h"
#include "capi/volume.h"
#include "format/layout.h"
#include "format/utf8.h"
#include "image/region.h"

namespace {

using cim::Errc;
using cim::Error;
using cim::Writer;
using cim::WriteStream;
using cim::capi::ImageSession;
using cim::capi::StreamSession;

using ImageTable = cim::capi::HandleTable<CIMFS_IMAGE_HANDLE, ImageSession>;
using StreamTable = cim::capi::HandleTable<CIMFS_STREAM_HANDLE, StreamSession>;

// Never destroyed: other threads may still be in a call when the process exits.
ImageTable& images() {
  static auto& table = *new ImageTable;
  return table;
}

StreamTable& streams() {
  static auto& table = *new StreamTable;
  return table;
}

// Every call that fails returns this. Keeps `message` for CimGetLastErrorMessage().
HRESULT fail(HRESULT result, const char* message) noexcept {
  cim::capi::set_last_message(message);
  return result;
}

// Calls `body`, which returns nothing. No exception leaves a function of the C API: each does all
// of its work in here.
template <typename Body>
HRESULT to_hresult(Body body) noexcept {
  try {
    body();
    return S_OK;
  } catch (const Error& error) {
    return fail(cim::to_hresult(error.code()), error.what());
  } catch (const std::bad_alloc&) {
    return fail(E_OUTOFMEMORY, "not enough memory");
  } catch (const std::exception& error) {
    return fail(E_FAIL, error.what());
  } catch (...) {
    return fail(E_FAIL, "unknown failure");
  }
}

Writer::Options writer_options(PCWSTR directory, CIM_CREATE_IMAGE_FLAGS flags, PCWSTR existing_name,
                               PCWSTR new_name) {
  Writer::Options options;
  options.directory = cim::capi::host_path(directory);
  if (existing_name != nullptr) options.existing = cim::capi::image_name(existing_name);
  if (new_name != nullptr) options.name = cim::capi::image_name(new_name);
  options.case_insensitive = true;
  options.expand_executables = (flags & CIM_CREATE_DO_NOT_EXPAND_PE_IMAGES) == 0;
  return options;
}

// Throws Error: invalid_argument for a flag in neither `supported` nor `unsupported`, otherwise
// unsupported for one in the latter.
template <typename Flags>
void check_flags(Flags flags, Flags supported, Flags unsupported) {
  if ((flags & ~(supported | unsupported)) != 0) {
    throw Error(Errc::invalid_argument, "unknown flag");
  }
  if ((flags & unsupported) != 0) throw Error(Errc::unsupported, "a flag that is not supported");
}

void check_create_flags(CIM_CREATE_IMAGE_FLAGS flags) {
  check_flags(flags, CIM_CREATE_DO_NOT_EXPAND_PE_IMAGES | CIM_CREATE_IMAGE_CONSISTENT_CIM,
              CIM_CREATE_FIXED_SIZE_CHUNKS | CIM_CREATE_IMAGE_BLOCK_CIM |
                  CIM_CREATE_IMAGE_SINGLE_FILE_CIM | CIM_CREATE_IMAGE_VERIFIED_CIM);
}

void check_mount_flags(CIM_MOUNT_IMAGE_FLAGS flags) {
  check_flags(
      flags,
      CIM_MOUNT_CHILD_ONLY | CIM_MOUNT_ENABLE_DAX | CIM_MOUNT_CACHE_FILES | CIM_MOUNT_CACHE_REGIONS,
      CIM_MOUNT_BLOCK_CIM | CIM_MOUNT_SINGLE_FILE_CIM | CIM_MOUNT_VERIFIED_CIM);
}

cim::format::Guid to_guid(const GUID* id) {
  if (id == nullptr) throw Error(Errc::invalid_argument, "no volume GUID");
  static_assert(sizeof(GUID) == sizeof(cim::format::Guid));
  return std::bit_cast<cim::format::Guid>(*id);
}

void mount(const CIMFS_IMAGE_PATH& image, CIM_MOUNT_IMAGE_FLAGS flags, const GUID* id,
           std::span<const std::string> layers = {}) {
  const auto directory = cim::capi::host_path(image.ImageDir);
  const bool child_only = (flags & CIM_MOUNT_CHILD_ONLY) != 0;
  cim::capi::mount_volume(directory, cim::capi::image_name(image.ImageName), to_guid(id),
                          child_only, layers);
}

}  // namespace

HRESULT CimCreateImage(PCWSTR imageContainingPath, PCWSTR existingImageName, PCWSTR newImageName,
                       CIMFS_IMAGE_HANDLE* cimImageHandle) {
  return CimCreateImage2(imageContainingPath, CIM_CREATE_IMAGE_NONE, existingImageName,
                         newImageName, cimImageHandle);
}

HRESULT CimCreateImage2(PCWSTR imageContainingPath, CIM_CREATE_IMAGE_FLAGS createImageFlags,
                        PCWSTR existingImageName, PCWSTR newImageName,
                        CIMFS_IMAGE_HANDLE* cimImageHandle) {
  if (cimImageHandle == nullptr) return fail(E_POINTER, "cimImageHandle is NULL");
  *cimImageHandle = nullptr;
  return to_hresult([&] {
    check_create_flags(createImageFlags);
    const auto options =
        writer_options(imageContainingPath, createImageFlags, existingImageName, newImageName);
    *cimImageHandle = images().add(std::make_shared<ImageSession>(options));
  });
}

HRESULT CimCreateFile(CIMFS_IMAGE_HANDLE cimImageHandle, PCWSTR imageRelativePath,
                      const CIMFS_FILE_METADATA* fileMetadata,
                      CIMFS_STREAM_HANDLE* cimStreamHandle) {
  if (cimStreamHandle == nullptr) return fail(E_POINTER, "cimStreamHandle is NULL");
  *cimStreamHandle = nullptr;
  return to_hresult([&] {
    const auto image = images().find(cimImageHandle);
    const auto path = cim::capi::parse_file_path(imageRelativePath);
    const auto checked = cim::capi::check_metadata(fileMetadata);
    auto stream = image->open_stream([&](Writer& writer) -> std::optional<WriteStream> {
      if (!checked.is_directory) return writer.create_file(path, checked.metadata, checked.size);
      writer.create_directory(path, checked.metadata);
      return std::nullopt;
    });
    *cimStreamHandle = streams().add(std::move(stream));
  });
}

HRESULT CimCreateAlternateStream(CIMFS_IMAGE_HANDLE cimImageHandle, PCWSTR imageRelativePath,
                                 UINT64 streamSize, CIMFS_STREAM_HANDLE* cimStreamHandle) {
  if (cimStreamHandle == nullptr) return fail(E_POINTER, "cimStreamHandle is NULL");
  *cimStreamHandle = nullptr;
  return to_hresult([&] {
    const auto image = images().find(cimImageHandle);
    const auto path = cim::capi::parse_stream_path(imageRelativePath);
    auto stream = image->open_stream([&](Writer& writer) {
      return std::optional(writer.create_named_stream(path.file, path.stream, streamSize));
    });
    *cimStreamHandle = streams().add(std::move(stream));
  });
}

HRESULT CimCreateHardLink(CIMFS_IMAGE_HANDLE cimImageHandle, PCWSTR imageRelativePath,
                          PCWSTR existingImageRelativePath) {
  return to_hresult([&] {
    const auto image = images().find(cimImageHandle);
    const auto new_path = cim::capi::parse_file_path(imageRelativePath);
    const auto existing_path = cim::capi::parse_file_path(existingImageRelativePath);
    image->change([&](Writer& writer) { writer.create_hard_link(new_path, existing_path); });
  });
}

HRESULT CimDeletePath(CIMFS_IMAGE_HANDLE cimImageHandle, PCWSTR imageRelativePath) {
  return to_hresult([&] {
    const auto image = images().find(cimImageHandle);
    const auto path = cim::capi::parse_image_path(imageRelativePath);
    image->change([&](Writer& writer) {
      if (path.stream.empty()) {
        writer.remove(path.file);
      } else {
        writer.remove_named_stream(path.file, path.stream);
      }
    });
  });
}

HRESULT CimTombstoneFile(CIMFS_IMAGE_HANDLE cimImageHandle, PCWSTR imageRelativePath) {
  return to_hresult([&] {
    const auto image = images().find(cimImageHandle);
    const auto path = cim::capi::parse_file_path(imageRelativePath);
    image->change([&](Writer& writer) { writer.create_tombstone(path); });
  });
}

HRESULT CimCreateMergeLink(CIMFS_IMAGE_HANDLE cimImageHandle, PCWSTR imageRelativePath,
                           PCWSTR existingImageRelativePath) {
  return to_hresult([&] {
    const auto image = images().find(cimImageHandle);
    const auto new_path = cim::capi::parse_file_path(imageRelativePath);
    const auto target_path = cim::capi::parse_file_path(existingImageRelativePath);
    image->change([&](Writer& writer) { writer.create_merge_link(new_path, target_path); });
  });
}

HRESULT CimAddFsToMergedImage(CIMFS_IMAGE_HANDLE cimImageHandle, PCWSTR existingImageName) {
  return CimAddFsToMergedImage2(cimImageHandle, existingImageName, 0);
}

HRESULT CimAddFsToMergedImage2(CIMFS_IMAGE_HANDLE cimImageHandle, PCWSTR existingImageName,
                               UINT32 flags) {
  constexpr UINT32 other_kinds_of_image = 0x1 | 0x2 | 0x4;
  return to_hresult([&] {
    const auto image = images().find(cimImageHandle);
    check_flags<UINT32>(flags, 0, other_kinds_of_image);
    image->add_layer(cim::capi::host_path(existingImageName));
  });
}

HRESULT CimLookupFile(CIMFS_IMAGE_HANDLE cimImageHandle, PCWSTR imageRelativePath,
                      BOOLEAN* exists) {
  if (exists == nullptr) return fail(E_POINTER, "exists is NULL");
  *exists = 0;
  return to_hresult([&] {
    const auto image = images().find(cimImageHandle);
    const auto path = cim::capi::parse_file_path(imageRelativePath);
    *exists = image->find(path) != Writer::Kind::none;
  });
}

HRESULT CimWriteStream(CIMFS_STREAM_HANDLE cimStreamHandle, const void* buffer, UINT32 bufferSize) {
  if (buffer == nullptr) return fail(E_POINTER, "buffer is NULL");
  return to_hresult([&] {
    const auto stream = streams().find(cimStreamHandle);
    stream->write({static_cast<const std::byte*>(buffer), bufferSize});
  });
}

void CimCloseStream(CIMFS_STREAM_HANDLE cimStreamHandle) {
  to_hresult([&] {
    if (const auto stream = streams().remove(cimStreamHandle)) stream->close();
  });
}

HRESULT CimCommitImage(CIMFS_IMAGE_HANDLE cimImageHandle) {
  return to_hresult([&] { images().find(cimImageHandle)->commit(); });
}

void CimCloseImage(CIMFS_IMAGE_HANDLE cimImageHandle) {
  to_hresult([&] { images().remove(cimImageHandle); });
}

HRESULT CimReadFile(PCWSTR imagePath, PCWSTR filePath, UINT64 offset, void* buffer,
                    UINT64 bufferSize, UINT64* bytesRead, UINT64* bytesRemaining) {
  if (bytesRead == nullptr) return fail(E_POINTER, "bytesRead is NULL");
  if (bytesRemaining == nullptr) return fail(E_POINTER, "bytesRemaining is NULL");
  *bytesRead = 0;
  *bytesRemaining = 0;
  if (buffer == nullptr) return fail(E_POINTER, "buffer is NULL");
  return to_hresult([&] {
    const std::span out(static_cast<std::byte*>(buffer), bufferSize);
    const auto result = cim::capi::ImageFile(imagePath, filePath).read(offset, out);
    *bytesRead = result.read;
    *bytesRemaining = result.remaining;
  });
}

HRESULT CimGetFileStatBasicInformation(PCWSTR imagePath, PCWSTR filePath,
                                       FILE_STAT_BASIC_INFORMATION* statInfo) {
  if (statInfo == nullptr) return fail(E_POINTER, "statInfo is NULL");
  *statInfo = {};
  return to_hresult([&] { *statInfo = cim::capi::ImageFile(imagePath, filePath).status(); });
}

HRESULT CimMountImage(PCWSTR imageContainingPath, PCWSTR imageName,
                      CIM_MOUNT_IMAGE_FLAGS mountImageFlags, const GUID* volumeId) {
  return to_hresult([&] {
    check_mount_flags(mountImageFlags);
    mount({.ImageDir = imageContainingPath, .ImageName = imageName}, mountImageFlags, volumeId);
  });
}

HRESULT CimMergeMountImage(UINT32 numCimPaths, const void* backingImagePaths,
                           CIM_MOUNT_IMAGE_FLAGS mountImageFlags, const GUID* volumeId) {
  return to_hresult([&] {
    check_mount_flags(mountImageFlags);
    if (backingImagePaths == nullptr || numCimPaths < 2) {
      throw Error(Errc::invalid_argument, "no merged image and the images that it is made of");
    }
    const std::span images(static_cast<const CIMFS_IMAGE_PATH*>(backingImagePaths), numCimPaths);
    std::vector<std::string> layers;
    for (const CIMFS_IMAGE_PATH& layer : images.subspan(1)) {
      layers.push_back(cim::path_in(cim::capi::host_path(layer.ImageDir),
                                    cim::capi::image_name(layer.ImageName)));
    }
    mount(images.front(), mountImageFlags, volumeId, layers);
  });
}

HRESULT CimDismountImage(const GUID* volumeId) {
  return to_hresult([&] { cim::capi::unmount_volume(to_guid(volumeId)); });
}

HRESULT CimGetVolumePath(const GUID* volumeId, char* buffer, size_t size) {
  if (buffer == nullptr) return fail(E_POINTER, "buffer is NULL");
  std::string path;
  const HRESULT result = to_hresult([&] { path = cim::capi::volume_path(to_guid(volumeId)); });
  if (FAILED(result)) return result;
  if (path.size() >= size) {
    return fail(HRESULT_FROM_WIN32(ERROR_INSUFFICIENT_BUFFER), "the path does not fit in buffer");
  }
  std::memcpy(buffer, path.c_str(), path.size() + 1);
  return S_OK;
}

// Does not use fail(), which would replace the message asked for.
HRESULT CimGetLastErrorMessage(char* buffer, size_t size) {
  if (buffer == nullptr) return E_POINTER;
  if (size == 0) return HRESULT_FROM_WIN32(ERROR_MORE_DATA);
  const std::string_view message = cim::capi::last_message();
  const std::size_t length = cim::format::utf8_prefix(message, size - 1);
  message.copy(buffer, length);
  buffer[length] = '\0';
  return length == message.size() ? S_OK : HRESULT_FROM_WIN32(ERROR_MORE_DATA);
}
