// The digests of container images: "sha256:" and 64 hexadecimal digits.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "transfer/input.h"
#include "transfer/output.h"
#include "transfer/sha256.h"

namespace cim::oci {

// The digest of `bytes`.
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
  transfer::Sha256Hasher hasher_;
  std::string digest_;  // once it has been finished
};

// Passes on what is written, and computes its digest.
class DigestedOutput : public transfer::Output {
 public:
  // `output` must outlive this.
  explicit DigestedOutput(transfer::Output& output) : output_(output) {}

  void write(ByteView data) override;

  // The number of bytes that have been written.
  std::uint64_t size() const noexcept { return size_; }

  // The digest of all. Nothing may be called next.
  std::string finish();

 private:
  transfer::Output& output_;
  transfer::Sha256Hasher hasher_;
  std::uint64_t size_ = 0;
};

}  // namespace cim::oci
