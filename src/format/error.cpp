// The library's error codes as Linux and Windows know them, and errors in words.
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <utility>

#include <cim/error.h>

namespace cim {
namespace {

// HRESULTs, and the Win32 codes from which HRESULT_FROM_WIN32 makes some of them.
constexpr int hresult(std::uint32_t value) { return static_cast<int>(value); }
constexpr int from_win32(std::uint32_t error) { return hresult(0x80070000U | error); }

constexpr int e_invalid_argument = hresult(0x80070057U);
constexpr int e_access_denied = hresult(0x80070005U);
constexpr int e_out_of_memory = hresult(0x8007000EU);

constexpr std::uint32_t error_file_not_found = 2;
constexpr std::uint32_t error_path_not_found = 3;
constexpr std::uint32_t error_sharing_violation = 32;
constexpr std::uint32_t error_handle_eof = 38;
constexpr std::uint32_t error_not_supported = 50;
constexpr std::uint32_t error_file_exists = 80;
constexpr std::uint32_t error_disk_full = 112;
constexpr std::uint32_t error_already_exists = 183;
constexpr std::uint32_t error_file_too_large = 223;
constexpr std::uint32_t error_cimfs_image_corrupt = 470;
constexpr std::uint32_t error_cimfs_image_version_not_supported = 471;
constexpr std::uint32_t error_io_device = 1117;

Errc from_errno(int error_number) {
  switch (error_number) {
    case EINVAL:
      return Errc::invalid_argument;
    case ENOENT:
      return Errc::file_not_found;
    case ENOTDIR:
      return Errc::not_a_directory;
    case EISDIR:
      return Errc::is_a_directory;
    case EEXIST:
      return Errc::file_exists;
    case EACCES:
    case EPERM:
    case EROFS:
      return Errc::access_denied;
    case EBUSY:
    case EWOULDBLOCK:
    case ETXTBSY:
      return Errc::sharing_violation;
    case ENOSPC:
    case EDQUOT:
      return Errc::disk_full;
    case ENOMEM:
      return Errc::out_of_memory;
    case ENAMETOOLONG:
      return Errc::name_too_long;
    case EFBIG:
    case E2BIG:
      return Errc::limit_exceeded;
    case EOPNOTSUPP:
    case ENOSYS:
      return Errc::unsupported;
    default:
      return Errc::io_error;
  }
}

}  // namespace

int to_errno(Errc code) noexcept {
  switch (code) {
    case Errc::invalid_argument:
      return EINVAL;
    case Errc::file_not_found:
    case Errc::path_not_found:
      return ENOENT;
    case Errc::not_a_directory:
      return ENOTDIR;
    case Errc::is_a_directory:
      return EISDIR;
    case Errc::file_exists:
    case Errc::already_exists:
      return EEXIST;
    case Errc::access_denied:
      return EACCES;
    case Errc::sharing_violation:
      return EBUSY;
    case Errc::end_of_file:
      return EFBIG;
    case Errc::disk_full:
      return ENOSPC;
    case Errc::out_of_memory:
      return ENOMEM;
    case Errc::name_too_long:
      return ENAMETOOLONG;
    case Errc::limit_exceeded:
      return E2BIG;
    case Errc::corrupt:
      return EUCLEAN;
    case Errc::version_not_supported:
    case Errc::unsupported:
      return EOPNOTSUPP;
    case Errc::io_error:
      return EIO;
  }
  return EIO;
}

int to_hresult(Errc code) noexcept {
  switch (code) {
    case Errc::invalid_argument:
    case Errc::name_too_long:
      return e_invalid_argument;
    case Errc::file_not_found:
      return from_win32(error_file_not_found);
    case Errc::path_not_found:
    case Errc::not_a_directory:
      return from_win32(error_path_not_found);
    case Errc::is_a_directory:
    case Errc::access_denied:
      return e_access_denied;
    case Errc::file_exists:
      return from_win32(error_file_exists);
    case Errc::already_exists:
      return from_win32(error_already_exists);
    case Errc::sharing_violation:
      return from_win32(error_sharing_violation);
    case Errc::end_of_file:
      return from_win32(error_handle_eof);
    case Errc::disk_full:
      return from_win32(error_disk_full);
    case Errc::out_of_memory:
      return e_out_of_memory;
    case Errc::limit_exceeded:
      return from_win32(error_file_too_large);
    case Errc::corrupt:
      return from_win32(error_cimfs_image_corrupt);
    case Errc::version_not_supported:
      return from_win32(error_cimfs_image_version_not_supported);
    case Errc::unsupported:
      return from_win32(error_not_supported);
    case Errc::io_error:
      return from_win32(error_io_device);
  }
  return from_win32(error_io_device);
}

struct Error::Fields {
  Errc code;
  std::string reason;
  std::string image = {};
  std::string path = {};
  std::string object = {};
  std::string words = {};
};

Error::Error(Errc code, std::string reason)
    : Error(Fields{.code = code, .reason = std::move(reason)}) {}

Error::Error(Fields&& fields) {
  fields.words.clear();  // of the Error that this one was made from
  for (const std::string* subject : {&fields.image, &fields.path, &fields.object}) {
    if (!subject->empty()) fields.words += *subject + ": ";
  }
  fields.words += fields.reason;
  fields_ = std::make_shared<const Fields>(std::move(fields));
}

Errc Error::code() const noexcept { return fields_->code; }
const std::string& Error::image() const noexcept { return fields_->image; }
const std::string& Error::path() const noexcept { return fields_->path; }
const std::string& Error::object() const noexcept { return fields_->object; }
const std::string& Error::reason() const noexcept { return fields_->reason; }
const char* Error::what() const noexcept { return fields_->words.c_str(); }

Error Error::with_image(std::string_view image) const {
  if (!fields_->image.empty()) return *this;
  Fields fields = *fields_;
  fields.image = image;
  if (fields.path == image) fields.path.clear();
  return Error(std::move(fields));
}

Error Error::with_path(std::string_view path) const {
  if (!fields_->path.empty()) return *this;
  Fields fields = *fields_;
  fields.path = path;
  return Error(std::move(fields));
}

Error Error::with_object(std::string_view object) const {
  if (object.empty()) return *this;
  Fields fields = *fields_;
  if (!fields.object.empty()) fields.object.insert(0, ": ");
  fields.object.insert(0, object);
  return Error(std::move(fields));
}

Error system_error(int error_number, std::string_view path) {
  char buffer[256];
  // The GNU form of strerror_r, which may return a string other than the buffer.
  const char* reason = strerror_r(error_number, buffer, sizeof(buffer));
  return Error(from_errno(error_number), reason).with_path(path);
}

}  // namespace cim
