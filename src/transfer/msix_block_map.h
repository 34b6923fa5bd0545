// The block map of an MSIX package, AppxBlockMap.xml: what the files of the package hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <cim/error.h>
#include <cim/metadata.h>

#include "transfer/sha256.h"

namespace cim::transfer {

struct MsixBlockMap {
  static constexpr std::size_t block_size = 64 << 10;

  // A file: its size, and the digest of each block of its data; the last may be shorter.
  struct File {
    std::uint64_t size = 0;
    std::vector<Sha256> blocks;
  };

  std::map<std::string, File, std::less<>> files;  // by path, with `/` between names
};

// Throws Error (corrupt) if `xml` is no block map; unsupported if its digests are not SHA-256. May
// be called from many threads at once.
MsixBlockMap parse_msix_block_map(std::string_view xml);

// Compares data with what the block map says, as it passes by. For one thread at a time.
class MsixBlockCheck {
 public:
  // `file` must outlive this; `name` names it in messages.
  MsixBlockCheck(const MsixBlockMap::File& file, std::string name);

  // Takes the next bytes of the data. Throws Error (corrupt) if a block differs, or if there are
  // more bytes than the file has.
  void add(ByteView data);

  // Call this after all data. Throws Error (corrupt) if some is missing or differs.
  void finish();

 private:
  void check_block();

  Error failure(const std::string& reason) const;

  const MsixBlockMap::File& file_;
  const std::string name_;
  std::vector<std::byte> block_;  // the current one
  std::size_t checked_ = 0;       // blocks
  std::uint64_t size_ = 0;        // bytes so far
};

}  // namespace cim::transfer
