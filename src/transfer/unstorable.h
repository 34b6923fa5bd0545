// Files of an image that a file system refuses.
#pragma once

#include <string>

#include <cim/error.h>

namespace cim::transfer {

// A file, or a part of it, cannot be stored in its place, but others can: its name is too long, the
// caller may not make it, or something is in its way.
class Unstorable : public Error {
 public:
  explicit Unstorable(const Error& error) noexcept : Error(error) {}
};

// Throws Unstorable for the errno `error_number` of a system call that should have stored
// something; Error for a failure that other files will meet as well: a full disk, no memory, no
// descriptors. Also Unstorable for an input/output error, which some file systems report for a
// fifo. `subject` names the file.
[[noreturn]] void throw_unstorable(int error_number, const std::string& subject);

}  // namespace cim::transfer
