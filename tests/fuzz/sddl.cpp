// A security descriptor, and the text of one.
#include "format/sddl.h"

#include <cstdlib>

#include <cim/error.h>

#include "format/security_descriptor.h"
#include "fuzz/input.h"

namespace {

// What can be parsed is well-formed, and printing and parsing it again changes nothing.
void parse(std::string_view text) {
  const auto descriptor = cim::format::parse_sddl(text);
  if (!cim::format::is_valid_security_descriptor(descriptor)) std::abort();
  if (cim::format::parse_sddl(cim::format::format_sddl(descriptor)) != descriptor) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    parse({reinterpret_cast<const char*>(data), size});
  } catch (const cim::Error&) {
  }
  std::string text;
  try {
    text = cim::format::format_sddl(std::as_bytes(std::span(data, size)));
  } catch (const cim::Error&) {
    return 0;
  }
  // Parts that overlap may be more than a descriptor holds once each is written by itself.
  if (size <= 0x4000) parse(text);
  return 0;
}
