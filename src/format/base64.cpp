// Base64, RFC 4648.
#include "format/base64.h"

#include <cim/error.h>
#include <openssl/evp.h>

namespace cim::format {

std::vector<std::byte> decode_base64(std::string_view text) {
  const Error malformed(Errc::corrupt, "is not base64");
  if (text.size() % 4 != 0 || text.size() > std::size_t{1} << 30) throw malformed;
  std::vector<std::byte> bytes(text.size() / 4 * 3);
  const int length = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(bytes.data()),
                                     reinterpret_cast<const unsigned char*>(text.data()),
                                     static_cast<int>(text.size()));
  if (length < 0) throw malformed;
  // What `=` stands for counts as zeros.
  const auto padding = text.size() - (text.find_last_not_of('=') + 1);  // npos + 1 is 0
  if (padding > 2) throw malformed;
  bytes.resize(static_cast<std::size_t>(length) - padding);
  return bytes;
}

}  // namespace cim::format
