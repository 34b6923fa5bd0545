// The kernel's overlay, and fuse-overlayfs.
#include "mount/overlay.h"

#include <array>
#include <cerrno>
#include <fstream>
#include <sstream>

#include <cim/error.h>
#include <fmt/format.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image/canonical_path.h"
#include "mount/patience.h"
#include "mount/program.h"

namespace cim {
namespace {

constexpr const char* kernel_type = "overlay";
constexpr const char* fuse_program = "fuse-overlayfs";
constexpr const char* fuse_type = "fuse.fuse-overlayfs";
constexpr std::array<std::string_view, 3> kind_names = {"overlay", "userxattr", fuse_program};

// With each of these on, the kernel looks for the file below a changed one by its handle. Kernels
// since 6.16 take what FUSE finds like that for stale, once they have forgotten the file.
constexpr const char* without_handles = "redirect_dir=off,metacopy=off,index=off,xino=off,";

// Whether this is a user namespace other than the first, in which all users have their own ids.
bool is_in_user_namespace() {
  std::ifstream map("/proc/self/uid_map");
  std::uint64_t inside = 0;
  std::uint64_t outside = 0;
  std::uint64_t count = 0;
  map >> inside >> outside >> count;
  return map && count != 0xFFFFFFFF;
}

// `path` as the value of a mount option, in which `special` characters are escaped.
std::string escaped(const std::string& path, std::string_view special) {
  std::string result;
  for (const char c : path) {
    if (special.find(c) != special.npos) result += '\\';
    result += c;
  }
  return result;
}

std::string directory_options(const OverlayDirectories& directories) {
  // Only among lower directories does a colon separate anything.
  return fmt::format("lowerdir={},upperdir={},workdir={}", escaped(directories.lower, "\\,:"),
                     escaped(directories.upper, "\\,"), escaped(directories.work, "\\,"));
}

// mount(2). Returns errno, 0 if that is done.
int try_kernel(const std::string& source, const std::string& mount_point,
               const std::string& options) {
  if (mount(source.c_str(), mount_point.c_str(), kernel_type, 0, options.c_str()) == 0) return 0;
  return errno;
}

[[noreturn]] void fail_kernel(int error, const OverlayDirectories& directories,
                              const std::string& mount_point) {
  if (error == EINVAL) {
    throw Error(Errc::unsupported, "its file system cannot hold the changes of an overlay")
        .with_path(directories.upper);
  }
  if (error == EBUSY) {
    throw Error(Errc::sharing_violation, "another overlay uses it").with_path(directories.upper);
  }
  throw system_error(error, mount_point);
}

void mount_kernel(const std::string& options, const OverlayDirectories& directories,
                  const std::string& source, const std::string& mount_point) {
  // The kernel would ignore the rest.
  if (options.size() >= static_cast<std::size_t>(sysconf(_SC_PAGESIZE))) {
    throw system_error(ENAMETOOLONG, directories.upper);
  }
  int error = 0;
  // An overlay whose last process was killed ends a moment later.
  wait_patiently([&] {
    error = try_kernel(source, mount_point, options);
    return error != EBUSY;
  });
  if (error != 0) fail_kernel(error, directories, mount_point);
}

void mount_fuse(const OverlayDirectories& directories, const std::string& mount_point) {
  // It refuses all access by others if its lower directory has no access control lists.
  const auto result =
      run_program({fuse_program, "-o", "noacl," + directory_options(directories), mount_point});
  if (!result) {
    throw Error(
        Errc::file_not_found,
        "not in $PATH; it makes images writable for ordinary users (a package of that name)")
        .with_path(fuse_program);
  }
  const std::optional<Mount> mount = mount_at(mount_point);
  if (!mount || !is_overlay(*mount)) {
    throw Error(Errc::access_denied, result->message).with_path(mount_point);
  }
}

// The value of the option upperdir of an overlay, as it was given.
std::string upper_of(const Mount& overlay) {
  std::istringstream options(overlay.options);
  constexpr std::string_view name = "upperdir=";
  for (std::string option; std::getline(options, option, ',');) {
    if (option.starts_with(name)) return decode_octal(std::string_view(option).substr(name.size()));
  }
  return {};
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

std::string_view to_string(OverlayKind kind) noexcept {
  return kind_names[static_cast<std::size_t>(kind)];
}

std::vector<std::string> overlay_kind_names() { return {kind_names.begin(), kind_names.end()}; }

std::optional<OverlayKind> overlay_kind(std::string_view name) noexcept {
  for (std::size_t i = 0; i < kind_names.size(); ++i) {
    if (kind_names[i] == name) return static_cast<OverlayKind>(i);
  }
  return std::nullopt;
}

OverlayKind available_overlay_kind() {
  if (geteuid() != 0) return OverlayKind::fuse_overlayfs;
  return is_in_user_namespace() ? OverlayKind::userxattr : OverlayKind::kernel;
}

void mount_overlay(OverlayKind kind, const OverlayDirectories& directories,
                   const std::string& source, const std::string& mount_point) {
  switch (kind) {
    case OverlayKind::kernel:
      return mount_kernel(without_handles + directory_options(directories), directories, source,
                          mount_point);
    case OverlayKind::userxattr:
      return mount_kernel("userxattr," + directory_options(directories), directories, source,
                          mount_point);
    case OverlayKind::fuse_overlayfs:
      return mount_fuse(directories, mount_point);
  }
}

std::optional<std::string> overlay_mounted_on(const std::string& upper) {
  for (const Mount& mount : mount_table()) {
    if (mount.type == kernel_type && may_be(upper_of(mount), upper)) return mount.mount_point;
  }
  return std::nullopt;
}

bool is_overlay(const Mount& mount) noexcept {
  return mount.type == kernel_type || mount.type == fuse_type;
}

void set_read_only(const Mount& overlay, bool read_only) {
  const unsigned long flags = MS_REMOUNT | (read_only ? MS_RDONLY : 0);
  if (mount(nullptr, overlay.mount_point.c_str(), nullptr, flags, nullptr) != 0) {
    throw system_error(errno, overlay.mount_point);
  }
}

}  // namespace cim
