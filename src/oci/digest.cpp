// The digests of container images.
#include "oci/digest.h"

#include <algorithm>
#include <cstddef>
#include <span>

#include <cim/error.h>
#include <fmt/format.h>

namespace cim::oci {
namespace {

constexpr std::string_view prefix = "sha256:";
constexpr std::size_t hex_size = 64;

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

std::string to_text(const transfer::Sha256& digest) {
  std::string text(prefix);
  for (const std::byte byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

}  // namespace

std::string sha256(std::string_view bytes) {
  return to_text(transfer::sha256(std::as_bytes(std::span(bytes))));
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
  hasher_.update(std::as_bytes(std::span(bytes)));
  return bytes;
}

const std::string& DigestedInput::finish() {
  if (!digest_.empty()) return digest_;
  drain();
  return digest_ = to_text(hasher_.finish());
}

void DigestedOutput::write(ByteView data) {
  output_.write(data);
  hasher_.update(data);
  size_ += data.size();
}

std::string DigestedOutput::finish() { return to_text(hasher_.finish()); }

}  // namespace cim::oci
