// The manifest of an MSIX package, AppxManifest.xml. May be used from many threads at once.
#pragma once

#include <string>
#include <string_view>

namespace cim::transfer {

// The full name of the package that has the manifest `xml`, which Windows also gives its directory:
// NAME_VERSION_ARCHITECTURE_RESOURCES_PUBLISHER, where PUBLISHER is msix_publisher_id(). Throws
// Error (corrupt) if it is no manifest of a package, or if the identity in it has characters that
// Windows does not allow.
std::string msix_full_name(std::string_view xml);

// The 13 characters by which Windows knows a publisher, whose name in its certificate is
// `publisher`, in UTF-8.
std::string msix_publisher_id(std::string_view publisher);

}  // namespace cim::transfer
