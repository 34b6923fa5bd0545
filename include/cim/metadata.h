// The Windows metadata of a file, as cimfs.h and the image format know it. Values: threads may
// share them while none changes them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace cim {

// Bytes owned by someone else. Each function says what it does with them and how long they must
// live.
using ByteView = std::span<const std::byte>;

// FILE_ATTRIBUTE_* of the Windows documentation. An image keeps these, no others; `directory` and
// `reparse_point` follow from what the file is.
namespace attribute {
inline constexpr std::uint32_t read_only = 0x1;
inline constexpr std::uint32_t hidden = 0x2;
inline constexpr std::uint32_t system = 0x4;
inline constexpr std::uint32_t directory = 0x10;
inline constexpr std::uint32_t archive = 0x20;
inline constexpr std::uint32_t sparse_file = 0x200;
inline constexpr std::uint32_t reparse_point = 0x400;
}  // namespace attribute

// What a file is created with, apart from its data. The buffers are borrowed: they must live until
// the call that takes them returns.
struct Metadata {
  std::uint32_t attributes = 0;  // FILE_ATTRIBUTE_*; bits that the format does not hold are dropped

  // FILETIME: 100 ns since 1601-01-01 UTC.
  std::int64_t creation_time = 0;
  std::int64_t last_write_time = 0;
  std::int64_t change_time = 0;
  std::int64_t last_access_time = 0;

  // Each at most 65,535 bytes, or empty.
  ByteView security_descriptor = {};  // a self-relative SECURITY_DESCRIPTOR
  ByteView reparse_data = {};         // a REPARSE_DATA_BUFFER
  ByteView extended_attributes = {};  // a list of FILE_FULL_EA_INFORMATION
};

}  // namespace cim
