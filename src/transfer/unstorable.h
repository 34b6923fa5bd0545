// Files of an image that a file system does not take.
#pragma once

#include <string>

#include <cim/error.h>

namespace cim::transfer {

// One file, or a part of it, cannot be stored where it should be, but others can: its name is too
// long, the caller may not make it, something is in its way.
class Unstorable : public Error {
 public:
  explicit Unstorable(const Error& error) noexcept : Error(error) {}
};

// Throws Unstorable for the errno `error_number` of a system call that was to store something;
// Error for one that others will meet as well: a full disk, no memory, no descriptors. An
// input/output error is not one of them: some file systems say so of a fifo. `subject` is what it
// was done to.
[[noreturn]] void throw_unstorable(int error_number, const std::string& subject);

}  // namespace cim::transfer
