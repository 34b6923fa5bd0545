// The library's one exception type. The functions may be called from many threads at once.
#pragma once

#include <exception>
#include <memory>
#include <string>
#include <string_view>

#include <cim/export.h>

namespace cim {

// What went wrong, in terms that have both an errno and a Windows error code.
enum class Errc {
  invalid_argument,   // EINVAL     E_INVALIDARG
  file_not_found,     // ENOENT     ERROR_FILE_NOT_FOUND: the named thing itself is missing
  path_not_found,     // ENOENT     ERROR_PATH_NOT_FOUND: something on the way to it is missing
  not_a_directory,    // ENOTDIR    ERROR_PATH_NOT_FOUND
  is_a_directory,     // EISDIR     ERROR_ACCESS_DENIED
  file_exists,        // EEXIST     ERROR_FILE_EXISTS
  already_exists,     // EEXIST     ERROR_ALREADY_EXISTS
  access_denied,      // EACCES     E_ACCESSDENIED
  sharing_violation,  // EBUSY      ERROR_SHARING_VIOLATION
  end_of_file,     // EFBIG      ERROR_HANDLE_EOF: a write past the size a stream was created with
  disk_full,       // ENOSPC     ERROR_DISK_FULL
  out_of_memory,   // ENOMEM     E_OUTOFMEMORY
  name_too_long,   // ENAMETOOLONG  E_INVALIDARG
  limit_exceeded,  // E2BIG      ERROR_FILE_TOO_LARGE: more than the format can hold
  corrupt,         // EUCLEAN    ERROR_CIMFS_IMAGE_CORRUPT: an image that breaks the format
  version_not_supported,  // EOPNOTSUPP ERROR_CIMFS_IMAGE_VERSION_NOT_SUPPORTED: of the format
  unsupported,            // EOPNOTSUPP ERROR_NOT_SUPPORTED
  io_error,               // EIO        ERROR_IO_DEVICE
};

// Thrown by every function of the library that fails: what went wrong, and with what. The code that
// throws it may know little of the latter; callers that know more add it with with_...(), each of
// which returns a new Error. Copying never fails; a copy shares the strings.
class CIM_API Error : public std::exception {
 public:
  // `reason` does not name its subject: "is truncated".
  Error(Errc code, std::string reason);
  Error(const Error& other) noexcept = default;
  Error& operator=(const Error& other) noexcept = default;

  Errc code() const noexcept;

  // The image that the error is about, as the caller named it. Empty if it is about none (a
  // directory being imported, say), or if the code that threw it did not know the image.
  const std::string& image() const noexcept;

  // The file that the error is about: a file in image(), one of the files that make up image(), or
  // one unrelated to any image. If a system call failed on something without a path, a description
  // of that. Empty if the error is about image() as a whole.
  const std::string& path() const noexcept;

  // The part of path(), or else of image(), that the error is about: "file 7", "extended attribute
  // user.x", a member of an archive. Empty if it is about no particular part.
  const std::string& object() const noexcept;

  const std::string& reason() const noexcept;

  // The error in words for a user: "IMAGE: PATH: OBJECT: REASON", without the empty parts. One
  // line, except for control characters in names. Valid as long as this or a copy of it lives.
  const char* what() const noexcept override;

  // These set only what is empty. with_image() clears a path() that is the image's own: the error
  // is then about the image as a whole.
  Error with_image(std::string_view image) const;
  Error with_path(std::string_view path) const;

  // An existing object() becomes a part of `object`: "OBJECT: FORMER OBJECT".
  Error with_object(std::string_view object) const;

 private:
  struct Fields;
  explicit Error(Fields&& fields);

  std::shared_ptr<const Fields> fields_;
};

// The errno value for `code`, as listed at Errc.
CIM_API int to_errno(Errc code) noexcept;

// The Windows HRESULT for `code`, as listed at Errc.
CIM_API int to_hresult(Errc code) noexcept;

// An Error for a failed system call: `error_number` is its errno, `path` is for Error::path(). The
// reason is the text of strerror(3).
CIM_API Error system_error(int error_number, std::string_view path = {});

}  // namespace cim
