// A link table: one byte chooses the kind of value, the rest is the table.
#include "format/link_table.h"

#include <array>

#include <cim/error.h>
#include <cim/name.h>

#include "format/upcase.h"
#include "fuzz/input.h"

namespace {

template <typename Value>
void read_all(cim::ByteView bytes) {
  const cim::format::LinkTable table(bytes, sizeof(Value));
  std::array<char16_t, cim::max_name_units> name;
  for (std::uint32_t i = 0; i < table.size(); ++i) {
    table.value<Value>(i);
    const std::size_t size = table.name(i, name.data());
    table.find({name.data(), size}, cim::format::identity_upcase_table());
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  cim::fuzz::Input input(data, size);
  try {
    if (input.take<std::uint8_t>() % 2 != 0) {
      read_all<cim::format::Stream>(input.rest());
    } else {
      read_all<std::uint32_t>(input.rest());
    }
  } catch (const cim::Error&) {
  }
  return 0;
}
