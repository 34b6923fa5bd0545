// A reparse buffer.
#include "format/reparse.h"

#include <functional>

#include <cim/error.h>

#include "fuzz/input.h"

namespace {

void attempt(const std::function<void()>& decode) {
  try {
    decode();
  } catch (const cim::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const cim::ByteView buffer = std::as_bytes(std::span(data, size));
  attempt([&] { cim::format::lx_symlink_target(buffer); });
  attempt([&] { cim::format::windows_link(buffer); });
  attempt([&] {
    cim::format::reparse_payload(buffer, cim::fuzz::Input(data, size).take<std::uint32_t>());
  });
  return 0;
}
