// The digests of container images: "sha256:" and 64 hexadecimal digits.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <openssl/evp.h>

#include "transfer/input.h"

namespace cim::oci {

// Computes the digest of a sequence of bytes. For one thread at a time.
class Sha256 {
 public:
  Sha256();
  void update(std::string_view bytes);

  // The digest of all bytes. Nothing may be called next.
  std::string finish();

 private:
  struct Free {
    void operator()(EVP_MD_CTX* context) const noexcept { EVP_MD_CTX_free(context); }
  };
  std::unique_ptr<EVP_MD_CTX, Free> context_;
};

std::string sha256(std::string_view bytes);

// Throws Error with only a reason: corrupt if `digest` is malformed, unsupported if it is of
// another kind than SHA-256. It can then be part of a path.
void check_digest(std::string_view digest);

// The digits of a digest that check_digest() accepts.
std::string_view hex_of(std::string_view digest);

bool is_hex_of_sha256(std::string_view text);

// Passes on an input, and computes the digest of what has been read.
class DigestedInput : public transfer::Input {
 public:
  // `input` must outlive this.
  explicit DigestedInput(transfer::Input& input) : input_(input) {}

  std::string_view next() override;

  // Reads the rest, and returns the digest of all. May be called again.
  const std::string& finish();

 private:
  transfer::Input& input_;
  Sha256 sha256_;
  std::string digest_;  // once it has been finished
};

}  // namespace cim::oci
