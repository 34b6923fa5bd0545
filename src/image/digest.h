// SHA-256, as object ids use it.
#pragma once

#include <array>
#include <cstddef>
#include <memory>

#include <cim/metadata.h>
#include <openssl/evp.h>

#include "format/layout.h"

namespace cim {

using Digest = std::array<std::uint8_t, format::digest_size>;

// Computes the SHA-256 of a sequence of bytes, cut to the length that object ids have. Reusable.
// For one thread at a time.
class Hasher {
 public:
  Hasher();

  // Starts anew.
  void reset();
  void update(ByteView data);
  void update_zeros(std::uint64_t count);

  // The digest of all since reset(), which must come next.
  Digest finish();

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

}  // namespace cim
