// What a container runs on.
#pragma once

#include <string>

namespace cim::oci {

struct Platform {
  std::string os;
  std::string architecture;  // as Go names it: amd64, arm64
  std::string variant;       // of the architecture; may be empty
  std::string os_version;    // of Windows; may be empty
};

// Reads OS/ARCH[/VARIANT][:OSVERSION]. Throws Error (invalid_argument) with only a reason.
Platform parse_platform(const std::string& text);

// The inverse of parse_platform().
std::string to_string(const Platform& platform);

// Linux on the processor of this machine.
Platform host_platform();

// Whether `platform` is what `wanted` asks for. What `wanted` leaves empty does not matter; its
// version of the system may be the start of the other: 10.0.20348 is meant for 10.0.20348.2031.
bool matches(const Platform& platform, const Platform& wanted);

}  // namespace cim::oci
