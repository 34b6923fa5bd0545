// The block map of an MSIX package, or its manifest.
#include "transfer/msix_block_map.h"

#include <algorithm>

#include <cim/error.h>

#include "transfer/msix_manifest.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view xml(reinterpret_cast<const char*>(data), size);
  try {
    const cim::transfer::MsixBlockMap map = cim::transfer::parse_msix_block_map(xml);
    for (const auto& [name, file] : map.files) {
      cim::transfer::MsixBlockCheck check(file, name);
      const std::vector<std::byte> zeros(std::min<std::uint64_t>(file.size, 100'000));
      check.add(zeros);
      check.finish();
    }
  } catch (const cim::Error&) {
  }
  try {
    cim::transfer::msix_full_name(xml);
  } catch (const cim::Error&) {
  }
  return 0;
}
