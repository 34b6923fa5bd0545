// The digests of object ids: the first 24 bytes of an object's SHA-512; an object of at most 24
// bytes is its own digest, padded with zeros.
#pragma once

#include <array>
#include <cstddef>
#include <memory>
#include <span>

#include <cim/metadata.h>
#include <openssl/evp.h>

#include "format/layout.h"

namespace cim {

using Digest = std::array<std::uint8_t, format::digest_size>;

// The digest of `object`. May be called from many threads at once.
Digest object_digest(ByteView object);

// Stores the digest of each of `objects` in `digests`, which has as many elements. Many at once
// take less time than one after another. May be called from many threads at once.
void digest_objects(std::span<const ByteView> objects, std::span<Digest> digests);

// Computes the digest of a sequence of bytes. Reusable. For one thread at a time.
class Hasher {
 public:
  Hasher();

  // Starts over.
  void reset();
  void update(ByteView data);
  void update_zeros(std::uint64_t count);

  // The digest of all since reset(). Only reset() may be called next.
  Digest finish();

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
  std::uint64_t length_ = 0;  // bytes since reset()
  Digest start_ = {};         // the first of them
};

}  // namespace cim
