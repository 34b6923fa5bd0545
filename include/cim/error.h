// The one exception type that the library throws. The functions may be called from many threads at
// once.
#pragma once

#include <stdexcept>
#include <string>

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

// Thrown by every function of the library that fails. what() is one line that names the thing
// and the reason, fit to be shown to a user.
class CIM_API Error : public std::runtime_error {
 public:
  Error(Errc code, const std::string& message) : std::runtime_error(message), code_(code) {}

  Errc code() const noexcept { return code_; }

 private:
  Errc code_;
};

// The errno value for `code`, as listed at Errc.
CIM_API int to_errno(Errc code) noexcept;

// The Windows HRESULT for `code`, as listed at Errc.
CIM_API int to_hresult(Errc code) noexcept;

// An Error for a failed system call: `error_number` is its errno, `subject` names what it was
// done to. The message is "SUBJECT: " and the text of strerror(3).
CIM_API Error system_error(int error_number, const std::string& subject);

}  // namespace cim
