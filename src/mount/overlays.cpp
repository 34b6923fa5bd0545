// The overlays that are mounted.
#include "mount/overlays.h"

#include <cstdio>
#include <memory>
#include <string_view>

#include <mntent.h>
#include <sys/stat.h>

#include "image/canonical_path.h"

namespace cim {
namespace {

struct CloseTable {
  void operator()(FILE* table) const noexcept { endmntent(table); }
};

// The value of the option `name`, which is how the mount was asked for.
std::string option(const mntent& mount, const char* name) {
  const char* const found = hasmntopt(&mount, name);
  const std::string_view text = found == nullptr ? "" : found;
  const std::size_t start = text.find('=');
  if (start == std::string_view::npos) return {};
  return std::string(text.substr(start + 1, text.find(',') - start - 1));
}

bool is_same_directory(const std::string& a, const std::string& b) {
  struct stat status_a;
  struct stat status_b;
  return stat(a.c_str(), &status_a) == 0 && stat(b.c_str(), &status_b) == 0 &&
         status_a.st_dev == status_b.st_dev && status_a.st_ino == status_b.st_ino;
}

bool may_be(const std::string& given, const std::string& upper) {
  if (given.starts_with('/')) return is_same_directory(given, upper);
  return !given.empty() && canonical_path(upper).ends_with("/" + given);
}

}  // namespace

std::optional<std::string> overlay_mounted_on(const std::string& upper) {
  const std::unique_ptr<FILE, CloseTable> table(setmntent("/proc/self/mounts", "re"));
  if (!table) return std::nullopt;
  mntent mount;
  std::string buffer(1 << 16, '\0');
  while (getmntent_r(table.get(), &mount, buffer.data(), static_cast<int>(buffer.size()))) {
    if (std::string_view(mount.mnt_type) != "overlay") continue;
    if (may_be(option(mount, "upperdir"), upper)) return mount.mnt_dir;
  }
  return std::nullopt;
}

}  // namespace cim
