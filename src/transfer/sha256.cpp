// SHA-256.
#include "transfer/sha256.h"

#include <cim/error.h>
#include <openssl/evp.h>

namespace cim::transfer {

Sha256 sha256(ByteView data) {
  Sha256 digest;
  if (EVP_Digest(data.data(), data.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr,
                 EVP_sha256(), nullptr) == 1) {
    return digest;
  }
  throw Error(Errc::unsupported, "OpenSSL does not compute SHA-256");
}

}  // namespace cim::transfer
