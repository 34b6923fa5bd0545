// The one exception type that the library throws. The functions may be called from many threads at
// once.
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

// Thrown by every function of the library that fails: what went wrong, and with what. Where it is
// thrown little may be known of the latter; callers that know more add it with the functions
// with_...(), each of which returns a new Error. A copy never fails and has the same strings.
class CIM_API Error : public std::exception {
 public:
  // `reason` does not name what it is about: "is truncated".
  Error(Errc code, std::string reason);
  Error(const Error& other) noexcept = default;
  Error& operator=(const Error& other) noexcept = default;

  Errc code() const noexcept;

  // The image that it is about, as the caller called it; empty if it is about none, as a directory
  // that is imported, or if whoever threw it did not know.
  const std::string& image() const noexcept;

  // The file that it is about: of image(), one of the files that image() consists of, or one that
  // has nothing to do with an image. Where a system call failed on something that has no path, what
  // that is. Empty if it is about image() as a whole.
  const std::string& path() const noexcept;

  // The part of it that it is about: "file 7", "extended attribute user.x", a member of an archive.
  // Empty if it is about no part of it.
  const std::string& object() const noexcept;

  const std::string& reason() const noexcept;

  // All of this in words for a user: "IMAGE: PATH: OBJECT: REASON", without what is empty. One
  // line, but for control characters that names have. Lives as long as this or a copy of it.
  const char* what() const noexcept override;

  // These change only what is empty. The path of the image itself is then no path(): what is
  // wrong is the image.
  Error with_image(std::string_view image) const;
  Error with_path(std::string_view path) const;

  // If there is an object(), it becomes a part of `object`: "OBJECT: FORMER OBJECT".
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

// An Error for a failed system call: `error_number` is its errno, `path` names what it was done to,
// see Error. The reason is the text of strerror(3).
CIM_API Error system_error(int error_number, std::string_view path = {});

}  // namespace cim
