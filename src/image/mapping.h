// A file mapped read-only.
#pragma once

#include <string>

#include <cim/metadata.h>

namespace cim {

// Unmaps when destroyed. Move-only. Threads may share it while none moves it.
class Mapping {
 public:
  Mapping() = default;

  // Maps the first `size` bytes of `fd`, which can then be closed; `subject` names it in errors.
  // Throws Error. See mapping_fault.h for pages that cannot be read.
  Mapping(int fd, std::size_t size, const std::string& subject);
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();

  ByteView bytes() const noexcept { return bytes_; }

  // From now on, touching a page reads only that one, or also those around it, which is the
  // system's default.
  void read_pages_alone() const noexcept;
  void read_pages_around() const noexcept;

  // Asks the system to read the first `length` bytes soon.
  void read_ahead(std::size_t length) const noexcept;

 private:
  void advise(std::size_t length, int advice) const noexcept;

  ByteView bytes_;
};

}  // namespace cim
