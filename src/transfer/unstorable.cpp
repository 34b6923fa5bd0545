// Files of an image that a file system refuses.
#include "transfer/unstorable.h"

#include <cerrno>

namespace cim::transfer {

void throw_unstorable(int error_number, const std::string& subject) {
  const Error error = system_error(error_number, subject);
  switch (error_number) {
    case ENOSPC:
    case EDQUOT:
    case EROFS:
    case ENOMEM:
    case ENFILE:
    case EMFILE:
      throw error;
    default:
      throw Unstorable(error);
  }
}

}  // namespace cim::transfer
