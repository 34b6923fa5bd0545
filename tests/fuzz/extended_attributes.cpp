// A list of extended attributes.
#include "format/extended_attributes.h"

#include <cim/error.h>

#include "fuzz/input.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const cim::ByteView list = std::as_bytes(std::span(data, size));
  try {
    cim::format::EaReader reader(list);
    cim::format::EaBuilder copy;
    while (const auto attribute = reader.next()) {
      copy.add(attribute->name, attribute->value);
      cim::format::find_extended_attribute(list, attribute->name);
    }
    cim::format::EaReader again(copy.list());
    while (again.next()) {
    }
  } catch (const cim::Error&) {
  }
  return 0;
}
