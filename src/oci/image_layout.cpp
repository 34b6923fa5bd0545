// What is where in an image layout of OCI.
#include "oci/image_layout.h"

#include <algorithm>
#include <string_view>

#include <cim/error.h>
#include <fmt/format.h>

#include "oci/digest.h"
#include "oci/json.h"

namespace cim::oci {
namespace {

bool is_alphanumeric(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_separator(std::string_view text) {
  constexpr std::string_view single = "-._:@+/";
  return text == "--" || (text.size() == 1 && single.find(text[0]) != std::string_view::npos);
}

}  // namespace

std::string path_of_blob(const std::string& digest) {
  return fmt::format("{}/{}", blob_directory, hex_of(digest));
}

void check_layout(const Files& files) {
  about(files, layout_file, [&] {
    const std::string version = string_member(read_json(files, layout_file), "imageLayoutVersion");
    if (version.starts_with("1.")) return;
    throw Error(Errc::unsupported, fmt::format("is of version '{}'; only 1 is known", version));
  });
}

bool is_tag(const std::string& tag) {
  auto position = tag.begin();
  for (;;) {
    const auto separator = std::find_if_not(position, tag.end(), is_alphanumeric);
    if (separator == position) return false;
    if (separator == tag.end()) return true;
    position = std::find_if(separator, tag.end(), is_alphanumeric);
    if (!is_separator({separator, position})) return false;
  }
}

}  // namespace cim::oci
