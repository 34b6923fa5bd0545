// Reads and writes that go on until all is done. May be called from many threads at once.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace cim {

// Reads up to `size` bytes from `position` on of the file `fd`, which `path` names in errors; less
// only at its end. Throws Error.
std::size_t read_at(int fd, void* buffer, std::size_t size, std::uint64_t position,
                    const std::string& path);

// Writes `size` bytes at `position` of the file `fd`. Returns false, with errno, if that fails.
[[nodiscard]] bool write_at(int fd, const void* data, std::size_t size,
                            std::uint64_t position) noexcept;

// Writes `size` bytes to `fd`, which may be a pipe. Returns false, with errno, if that fails.
[[nodiscard]] bool write_all(int fd, const void* data, std::size_t size) noexcept;

}  // namespace cim
