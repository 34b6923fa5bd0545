// The hives of Windows' registry in the image of a layer. May be called from many threads at once.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <cim/image.h>

namespace cim::transfer {

// One hive: where Windows itself keeps it, where a container finds it, and where a layer has its
// changes. Paths of an image, see cim/name.h.
struct RegistryHive {
  std::u16string_view config;
  std::u16string_view base;
  std::u16string_view delta;
};

inline constexpr std::array<RegistryHive, 5> registry_hives = {{
    {u"Files\\Windows\\System32\\config\\SYSTEM", u"Hives\\SYSTEM_BASE", u"Hives\\SYSTEM_DELTA"},
    {u"Files\\Windows\\System32\\config\\SOFTWARE", u"Hives\\SOFTWARE_BASE",
     u"Hives\\SOFTWARE_DELTA"},
    {u"Files\\Windows\\System32\\config\\SAM", u"Hives\\SAM_BASE", u"Hives\\SAM_DELTA"},
    {u"Files\\Windows\\System32\\config\\SECURITY", u"Hives\\SECURITY_BASE",
     u"Hives\\SECURITY_DELTA"},
    {u"Files\\Windows\\System32\\config\\DEFAULT", u"Hives\\DEFAULTUSER_BASE",
     u"Hives\\DEFAULTUSER_DELTA"},
}};

// The changes of hives that `image` has, as paths of Linux: nothing has merged them yet. Throws
// Error as Image does.
std::vector<std::string> unmerged_hives(const Image& image);

}  // namespace cim::transfer
