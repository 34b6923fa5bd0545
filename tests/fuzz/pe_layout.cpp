// The head of an executable, after the length of the file in 8 bytes.
#include "format/pe_layout.h"

#include <cstdlib>

#include "fuzz/input.h"

namespace {

// Whether each byte of the file has a place of its own, in order, within what is stored.
bool is_one_to_one(const cim::format::PeLayout& layout, std::uint64_t file_length) {
  const cim::ByteView mappings = std::as_bytes(std::span(layout.mappings));
  std::uint64_t end = 0;
  for (std::uint64_t offset = 0; offset < file_length;) {
    const auto part = cim::format::find_pe_part(mappings, offset, file_length - offset);
    if (part.position < end || part.length == 0) return false;
    end = part.position + part.length;
    offset += part.length;
  }
  return end == layout.stored_length;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  cim::fuzz::Input input(data, size);
  const auto file_length = input.take<std::uint64_t>();
  const auto wanted = cim::format::pe_head_length(input.rest());
  if (wanted && *wanted > cim::format::max_pe_head) std::abort();
  const auto layout = cim::format::pe_layout(input.rest(), file_length);
  if (layout && !is_one_to_one(*layout, file_length)) std::abort();

  // These bytes are no table of mappings: the parts need not make sense, but they come to an end.
  for (std::uint64_t offset = 0; offset < size;) {
    const auto part = cim::format::find_pe_part(input.rest(), offset, size - offset);
    if (part.length == 0 || part.length > size - offset) std::abort();
    offset += part.length;
  }
  return 0;
}
