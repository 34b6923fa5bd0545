// Reads zip archives.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include <cim/error.h>
#include <cim/metadata.h>

struct archive;

namespace cim::transfer {

// One member of an archive, apart from its data.
struct ZipMember {
  std::string name;        // the bytes in the archive
  std::uint64_t size = 0;  // of its data, as the archive says
  timespec mtime = {};
};

// Reads an archive member by member, in the order in which their data is stored, as the directory
// at its end lists them. All functions throw Error, naming the archive and the member, if it is no
// zip archive, damaged or cut short, if a member is not a regular file, or if it cannot be read.
// For one thread at a time.
class ZipReader {
 public:
  // Reads the file open at `fd`, which must stay open; its offset does not matter. `name` names it
  // in messages.
  ZipReader(int fd, std::string name);
  ZipReader(const ZipReader&) = delete;
  ZipReader& operator=(const ZipReader&) = delete;
  ~ZipReader();

  // Moves on to the next member, which is valid until the next call. Returns null after the last.
  const ZipMember* next();

  // The next part of the member's data, valid until the next call; empty at its end. There is never
  // more than the size of the member. Whether its checksum is compared depends on the compression.
  ByteView read();

 private:
  struct CloseArchive {
    void operator()(archive* reader) const noexcept;
  };

  static std::ptrdiff_t read_input(archive*, void* self, const void** data);
  static std::int64_t seek_input(archive*, void* self, std::int64_t offset, int whence);

  Error failure() const;
  Error member_error(const std::string& reason) const;

  const int fd_;
  const std::string name_;
  std::uint64_t input_size_ = 0;
  std::uint64_t position_ = 0;
  std::array<std::byte, 64 << 10> buffer_;
  std::unique_ptr<archive, CloseArchive> archive_;
  ZipMember member_;
  std::uint64_t received_ = 0;  // bytes of the current member
};

}  // namespace cim::transfer
