// The digests of container images.
#include "oci/digest.h"

#include <algorithm>
#include <array>

#include <cim/error.h>
#include <fmt/format.h>

namespace cim::oci {
namespace {

constexpr std::string_view prefix = "sha256:";
constexpr std::size_t hex_size = 64;

void check(int result) {
  if (result != 1) throw Error(Errc::io_error, "OpenSSL cannot compute SHA-256");
}

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

}  // namespace

Sha256::Sha256() : context_(EVP_MD_CTX_new()) {
  if (!context_) throw Error(Errc::out_of_memory, "out of memory");
  check(EVP_DigestInit_ex(context_.get(), EVP_sha256(), nullptr));
}

void Sha256::update(std::string_view bytes) {
  check(EVP_DigestUpdate(context_.get(), bytes.data(), bytes.size()));
}

std::string Sha256::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> bytes;
  unsigned size = 0;
  check(EVP_DigestFinal_ex(context_.get(), bytes.data(), &size));
  std::string digest(prefix);
  for (unsigned index = 0; index < size; ++index) digest += fmt::format("{:02x}", bytes[index]);
  return digest;
}

std::string sha256(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

void check_digest(std::string_view digest) {
  if (digest.starts_with(prefix) && is_hex_of_sha256(digest.substr(prefix.size()))) return;
  if (digest.starts_with("sha512:")) {
    throw Error(Errc::unsupported, "is named by SHA-512; only SHA-256 is supported");
  }
  throw Error(Errc::corrupt, fmt::format("'{}' is no digest", digest.substr(0, 100)));
}

std::string_view hex_of(std::string_view digest) { return digest.substr(prefix.size()); }

bool is_hex_of_sha256(std::string_view text) {
  return text.size() == hex_size && std::ranges::all_of(text, is_hex);
}

std::string_view DigestedInput::next() {
  const std::string_view bytes = input_.next();
  sha256_.update(bytes);
  return bytes;
}

const std::string& DigestedInput::finish() {
  if (!digest_.empty()) return digest_;
  drain();
  return digest_ = sha256_.finish();
}

}  // namespace cim::oci
