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
  add_mapping(bytes_.data(), size, subject);
}

Mapping::Mapping(Mapping&& other) noexcept : bytes_(std::exchange(other.bytes_, {})) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(bytes_, other.bytes_);
  return *this;
}

void Mapping::read_pages_alone() const noexcept { advise(bytes_.size(), MADV_RANDOM); }

void Mapping::read_pages_around() const noexcept { advise(bytes_.size(), MADV_NORMAL); }

void Mapping::read_ahead(std::size_t length) const noexcept {
  advise(std::min(length, bytes_.size()), MADV_WILLNEED);
}

void Mapping::advise(std::size_t length, int advice) const noexcept {
  if (!bytes_.empty()) madvise(const_cast<std::byte*>(bytes_.data()), length, advice);
}

Mapping::~Mapping() {
  if (bytes_.empty()) return;
  remove_mapping(bytes_.data());
  munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

}  // namespace cim
