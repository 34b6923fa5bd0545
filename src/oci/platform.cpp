// What a container runs on.
#include "oci/platform.h"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

#include <cim/error.h>
#include <sys/utsname.h>

namespace cim::oci {
namespace {

// The names that the kernel and Go have for processors, where they differ.
constexpr std::array<std::pair<std::string_view, std::string_view>, 3> architectures = {{
    {"x86_64", "amd64"},
    {"aarch64", "arm64"},
    {"loongarch64", "loong64"},
}};

bool is_start_of_version(std::string_view start, std::string_view version) {
  if (!version.starts_with(start)) return false;
  return version.size() == start.size() || version[start.size()] == '.';
}

// The 8th version of the architecture is the first with 64 bits, and need not be named.
std::string variant_of(const Platform& platform) {
  return platform.architecture == "arm64" && platform.variant == "v8" ? "" : platform.variant;
}

}  // namespace

Platform parse_platform(const std::string& text) {
  Platform platform;
  std::string_view rest = text;
  const std::size_t colon = rest.find(':');
  if (colon != std::string_view::npos) {
    platform.os_version = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
  }
  const auto take = [&rest] {
    const std::string_view part = rest.substr(0, rest.find('/'));
    rest.remove_prefix(std::min(rest.size(), part.size() + 1));
    return std::string(part);
  };
  platform.os = take();
  platform.architecture = take();
  platform.variant = take();
  const bool has_empty_version = colon != std::string::npos && platform.os_version.empty();
  if (platform.os.empty() || platform.architecture.empty() || !rest.empty() || has_empty_version) {
    throw Error(Errc::invalid_argument,
                "'" + text + "' is not of the form OS/ARCH[/VARIANT][:OSVERSION]");
  }
  return platform;
}

std::string to_string(const Platform& platform) {
  std::string text = platform.os + "/" + platform.architecture;
  if (!platform.variant.empty()) text += "/" + platform.variant;
  if (!platform.os_version.empty()) text += ":" + platform.os_version;
  return text;
}

Platform host_platform() {
  utsname host = {};
  uname(&host);
  std::string architecture = host.machine;
  for (const auto& [kernel, go] : architectures) {
    if (architecture == kernel) architecture = go;
  }
  return {.os = "linux", .architecture = architecture, .variant = {}, .os_version = {}};
}

bool matches(const Platform& platform, const Platform& wanted) {
  return platform.os == wanted.os && platform.architecture == wanted.architecture &&
         (wanted.variant.empty() || variant_of(platform) == variant_of(wanted)) &&
         (wanted.os_version.empty() || is_start_of_version(wanted.os_version, platform.os_version));
}

}  // namespace cim::oci
