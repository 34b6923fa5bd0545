// SHA-256.
#include "transfer/sha256.h"

#include <cim/error.h>

namespace cim::transfer {
namespace {

void check(int result) {
  if (result != 1) throw Error(Errc::unsupported, "OpenSSL does not compute SHA-256");
}

}  // namespace

Sha256Hasher::Sha256Hasher() : context_(EVP_MD_CTX_new()) {
  if (!context_) throw Error(Errc::out_of_memory, "out of memory");
  check(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
}

void Sha256Hasher::update(ByteView data) {
  check(EVP_DigestUpdate(context_.get(), data.data(), data.size()));
}

Sha256 Sha256Hasher::finish() {
  Sha256 digest;
  check(
      EVP_DigestFinal_ex(context_.get(), reinterpret_cast<unsigned char*>(digest.data()), nullptr));
  return digest;
}

Sha256 sha256(ByteView data) {
  Sha256Hasher hasher;
  hasher.update(data);
  return hasher.finish();
}

}  // namespace cim::transfer
