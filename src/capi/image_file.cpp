// Finds a file in an image, and what Windows would say about it.
#include "capi/image_file.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "capi/paths.h"
#include "format/layout.h"
#include "writer/path.h"

namespace cim::capi {

namespace {

File find_file(const Image& image, std::u16string_view path) {
  split_path(path);  // throws if a name is malformed
  if (const auto id = image.resolve(path)) return image.file(*id);
  const std::size_t end = path.rfind(u'\\');
  const auto parent = image.resolve(path.substr(0, end == std::u16string_view::npos ? 0 : end));
  const bool has_parent = parent && image.file(*parent).is_directory();
  throw Error(has_parent ? Errc::file_not_found : Errc::path_not_found, "no such file or directory")
      .with_image(image.path())
      .with_path(image_to_linux_path(path));
}

LARGE_INTEGER large_integer(std::uint64_t value) {
  LARGE_INTEGER result;
  result.QuadPart = static_cast<LONGLONG>(value);
  return result;
}

LARGE_INTEGER large_integer(std::int64_t value) {
  return large_integer(static_cast<std::uint64_t>(value));
}

}  // namespace

ImageFile::ImageFile(const char16_t* image_path, const char16_t* file_path)
    : image_(host_path(image_path)),
      path_(parse_file_path(file_path)),
      file_(find_file(image_, path_)) {}

ImageFile::ReadResult ImageFile::read(std::uint64_t offset, std::span<std::byte> out) const {
  if (file_.is_directory()) {
    throw Error(Errc::is_a_directory, "a directory has no data to read")
        .with_image(image_.path())
        .with_path(image_to_linux_path(path_));
  }
  const std::uint64_t rest = file_.stream.length - std::min(offset, file_.stream.length);
  const std::uint64_t read = image_.read(file_.stream, offset, out);
  return {read, rest - read};
}

FILE_STAT_BASIC_INFORMATION ImageFile::status() const {
  const bool is_directory = file_.is_directory();
  const std::uint64_t size = is_directory ? 0 : file_.stream.length;
  const std::uint64_t stored = file_.stream.sparse ? 0 : size;
  const std::uint64_t pages = (stored + format::page_size - 1) / format::page_size;
  FILE_STAT_BASIC_INFORMATION status = {};
  status.FileId = large_integer(std::uint64_t{file_.id});
  status.CreationTime = large_integer(file_.creation_time);
  status.LastAccessTime = large_integer(file_.last_access_time);
  status.LastWriteTime = large_integer(file_.last_write_time);
  status.ChangeTime = large_integer(file_.change_time);
  status.AllocationSize = large_integer(pages * format::page_size);
  status.EndOfFile = large_integer(size);
  status.FileAttributes = file_.attributes != 0 ? file_.attributes : FILE_ATTRIBUTE_NORMAL;
  status.ReparseTag = file_.reparse_tag;
  status.NumberOfLinks = is_directory ? 1 : image_.link_count(file_);
  status.DeviceType = FILE_DEVICE_DISK;
  std::memcpy(status.FileId128.Identifier, &status.FileId, sizeof(status.FileId));
  return status;
}

}  // namespace cim::capi
