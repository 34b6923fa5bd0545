#include "image/mapping.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include <cim/error.h>
#include <sys/mman.h>

#include "image/mapping_fault.h"

namespace cim {

Mapping::Mapping(int fd, std::size_t size, const std::string& subject) {
  if (size == 0) return;
  void* address = mmap(nullptr, size, PROT_READ, MAP_SHARED, fd, 0);
  if (address == MAP_FAILED) throw system_error(errno, subject);
  bytes_ = {static_cast<const std::byte*>(address), size};
  add_mapping(bytes_.data(), size, fd, subject);
}

Mapping::Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

void Mapping::read_ahead(std::size_t length) const noexcept {
  if (bytes_.empty()) return;
  madvise(const_cast<std::byte*>(bytes_.data()), std::min(length, bytes_.size()), MADV_WILLNEED);
}

Mapping::~Mapping() {
  if (bytes_.empty()) return;
  remove_mapping(bytes_.data());
  munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace cim
