#include "image/object_data.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include <cim/error.h>
#include <unistd.h>

#include "format/bytes.h"
#include "image/file_io.h"
#include "image/region.h"

namespace cim {

namespace {

constexpr std::size_t block_size = 4096;
constexpr std::size_t chunk_size = 1 << 20;
static_assert(chunk_size % block_size == 0);

// On a file system with smaller blocks, part of one of ours may be a hole.
std::uint64_t block_start(std::uint64_t offset) { return offset / block_size * block_size; }
std::uint64_t block_end(std::uint64_t offset) { return block_start(offset + block_size - 1); }

// Otherwise a part that was cut off would pass for a hole.
void check_size(const FilePart& part) {
  if (part.fd < 0 || file_size(part.fd, part.path) >= part.start + part.length) return;
  throw Error(Errc::io_error, "has become shorter").with_path(part.path);
}

}  // namespace

std::uint64_t FilePart::next_data(std::uint64_t offset) const noexcept {
  const std::uint64_t end = start + length;
  return std::min(cim::next_data(fd, start + offset, end), end) - start;
}

std::uint64_t FilePart::next_hole(std::uint64_t offset) const noexcept {
  const off_t hole = lseek(fd, static_cast<off_t>(start + offset), SEEK_HOLE);
  return hole < 0 ? length : std::min(static_cast<std::uint64_t>(hole) - start, length);
}

void FilePart::read(std::uint64_t offset, std::span<std::byte> out) const {
  if (fd < 0) {
    std::memcpy(out.data(), bytes + offset, out.size());
    return;
  }
  if (read_at(fd, out.data(), out.size(), start + offset, path) == out.size()) return;
  throw Error(Errc::io_error, "has become shorter").with_path(path);
}

void read_data(const FilePart& part, const TakeChunk& take, const Progress& progress) {
  std::vector<std::byte> buffer(std::min<std::uint64_t>(chunk_size, part.length));
  std::uint64_t done = 0;
  while (done < part.length) {
    const std::uint64_t data = part.next_data(done);
    if (data == part.length) break;
    const std::uint64_t end = std::min(block_end(part.next_hole(data)), part.length);
    for (std::uint64_t offset = block_start(data); offset < end; offset += chunk_size) {
      const auto chunk = std::span(buffer).first(std::min<std::uint64_t>(chunk_size, end - offset));
      part.read(offset, chunk);
      take(offset, chunk);
      progress(offset + chunk.size() - done);
      done = offset + chunk.size();
    }
  }
  progress(part.length - done);
}

bool have_equal_data(const FilePart& a, const FilePart& b) {
  if (a.length != b.length) return false;
  check_size(a);
  check_size(b);
  std::vector<std::byte> of_a(std::min<std::uint64_t>(chunk_size, a.length));
  std::vector<std::byte> of_b(of_a.size());
  std::uint64_t done = 0;
  while (done < a.length) {
    const std::uint64_t data = std::min(a.next_data(done), b.next_data(done));
    const std::uint64_t end = std::max(a.next_hole(data), b.next_hole(data));
    for (done = data; done < end; done += of_a.size()) {
      of_a.resize(std::min<std::uint64_t>(chunk_size, end - done));
      of_b.resize(of_a.size());
      a.read(done, of_a);
      b.read(done, of_b);
      if (of_a != of_b) return false;
    }
  }
  return true;
}

std::uint64_t bytes_in_holes(const FilePart& part) noexcept {
  std::uint64_t holes = 0;
  std::uint64_t done = 0;
  while (done < part.length) {
    const std::uint64_t data = part.next_data(done);
    holes += data - done;
    done = part.next_hole(data);
  }
  return holes;
}

Digest digest_of_bytes(const FilePart& object, const Progress& progress) {
  Hasher hasher;
  std::uint64_t digested = 0;
  const auto take = [&](std::uint64_t offset, ByteView chunk) {
    hasher.update_zeros(offset - digested);
    hasher.update(chunk);
    digested = offset + chunk.size();
  };
  read_data(object, take, progress);
  hasher.update_zeros(object.length - digested);
  return hasher.finish();
}

Digest digest_of_blocks(const FilePart& object, const Progress& progress) {
  Hasher hasher;
  const auto take = [&](std::uint64_t offset, ByteView chunk) {
    while (!chunk.empty()) {
      const ByteView block = chunk.first(std::min(block_size, chunk.size()));
      if (!format::is_zero(block)) {
        hasher.update(format::bytes_of(offset));
        hasher.update(block);
      }
      offset += block.size();
      chunk = chunk.subspan(block.size());
    }
  };
  read_data(object, take, progress);
  // Digested again, so that no object of this length is just the bytes that were digested.
  const Digest blocks = hasher.finish();
  hasher.reset();
  hasher.update(format::bytes_of(blocks));
  hasher.update(format::bytes_of(object.length));
  return hasher.finish();
}

}  // namespace cim
