#include "image/digest.h"

#include <algorithm>
#include <cstring>

#include <cim/error.h>

namespace cim {

namespace {

void check(int result) {
  if (result != 1) throw Error(Errc::io_error, "libcrypto cannot compute SHA-512");
}

// Fetched once: looking an algorithm up costs more than hashing a small file.
const EVP_MD* sha512() {
  static EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA512", nullptr);
  if (algorithm == nullptr) throw Error(Errc::unsupported, "libcrypto does not have SHA-512");
  return algorithm;
}

}  // namespace

Hasher::Hasher() : context_(EVP_MD_CTX_new()) {
  if (!context_) throw std::bad_alloc();
  check(EVP_DigestInit_ex2(context_.get(), sha512(), nullptr));
}

void Hasher::reset() {
  check(EVP_DigestInit_ex2(context_.get(), nullptr, nullptr));
  length_ = 0;
  start_ = {};
}

void Hasher::update(ByteView data) {
  if (length_ < start_.size()) {
    const std::size_t n = std::min<std::size_t>(data.size(), start_.size() - length_);
    if (n > 0) std::memcpy(&start_[length_], data.data(), n);
  }
  length_ += data.size();
  check(EVP_DigestUpdate(context_.get(), data.data(), data.size()));
}

void Hasher::update_zeros(std::uint64_t count) {
  static constexpr std::array<std::byte, 64 * 1024> zeros = {};
  while (count > 0) {
    const std::size_t n = std::min<std::uint64_t>(count, zeros.size());
    update(ByteView(zeros).first(n));
    count -= n;
  }
}

Digest Hasher::finish() {
  if (length_ <= start_.size()) return start_;
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> whole;
  check(EVP_DigestFinal_ex(context_.get(), whole.data(), nullptr));
  Digest digest;
  std::copy_n(whole.begin(), digest.size(), digest.begin());
  return digest;
}

void digest_objects(std::span<const ByteView> objects, std::span<Digest> digests) {
  std::ranges::transform(objects, digests.begin(), object_digest);
}

Digest object_digest(ByteView object) {
  Digest digest = {};
  if (object.size() <= digest.size()) {
    if (!object.empty()) std::memcpy(digest.data(), object.data(), object.size());
    return digest;
  }
  std::array<std::uint8_t, EVP_MAX_MD_SIZE> whole;
  check(EVP_Digest(object.data(), object.size(), whole.data(), nullptr, sha512(), nullptr));
  std::copy_n(whole.begin(), digest.size(), digest.begin());
  return digest;
}

}  // namespace cim
