// SHA-256. The function may be used from many threads at once, a hasher by one at a time.
#pragma once

#include <array>
#include <cstddef>
#include <memory>

#include <cim/metadata.h>
#include <openssl/evp.h>

namespace cim::transfer {

using Sha256 = std::array<std::byte, 32>;

// Computes the digest of a sequence of bytes. Functions throw Error (unsupported) if OpenSSL is set
// up not to have SHA-256.
class Sha256Hasher {
 public:
  Sha256Hasher();
  void update(ByteView data);

  // The digest of all bytes. Nothing may be called next.
  Sha256 finish();

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

// The digest of `data`. Throws Error as Sha256Hasher does.
Sha256 sha256(ByteView data);

}  // namespace cim::transfer
