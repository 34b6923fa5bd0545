// How an overlay writes its upper directory.
#include "transfer/upper_kind.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <string_view>
#include <utility>
#include <vector>

#include <cim/error.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <linux/capability.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "image/file_descriptor.h"
#include "posix/linux_metadata.h"
#include "transfer/overlay_marks.h"
#include "transfer/source_walk.h"

namespace cim::transfer {
namespace {

// The attributes of one of the kernel's formats.
struct KernelSigns {
  bool opaque = false;  // which fuse-overlayfs writes, too
  bool others = false;

  bool any() const noexcept { return opaque || others; }
};

// What tells the formats of an upper directory apart.
struct Signs {
  KernelSigns trusted;
  KernelSigns user;
  bool user_in_root = false;
  bool fuse_overlayfs = false;
  bool whiteout_device = false;
  std::string whiteout_name;  // the path of a file whose name may be a whiteout
};

class SignReader {
 public:
  explicit SignReader(const std::string& upper) : upper_(upper) {}

  Signs read() {
    FileDescriptor root(open(upper_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!root) throw system_error(errno, upper_);
    look_at(posix::read_metadata(root.get(), upper_));
    signs_.user_in_root = signs_.user.any();
    const std::vector<std::string> nothing;
    SourceWalk walk(upper_, std::move(root), nothing);
    while (walk.next()) {
      look_at_name(walk);
      FileDescriptor file = walk.open();
      look_at(posix::read_metadata(file.get(), walk.path()));
      if (walk.type() == DT_DIR) walk.enter(std::move(file));
    }
    return signs_;
  }

 private:
  void look_at_name(const SourceWalk& walk) {
    const std::string_view name = walk.name();
    if (!name.starts_with(".wh.")) return;
    signs_.fuse_overlayfs |= name == ".wh..wh..opq";
    signs_.whiteout_name = walk.path();
  }

  void look_at(const posix::LinuxMetadata& metadata) {
    constexpr std::array fuse_prefixes = {"user.fuseoverlayfs.", "security.fuseoverlayfs.",
                                          "user.containers.override_"};
    const struct stat& status = metadata.status;
    signs_.whiteout_device |= S_ISCHR(status.st_mode) && status.st_rdev == 0;
    for (const auto& attribute : metadata.xattrs) {
      const std::string& name = attribute.first;
      look_at(name, overlay_prefix(OverlayKind::kernel), signs_.trusted);
      look_at(name, overlay_prefix(OverlayKind::userxattr), signs_.user);
      signs_.fuse_overlayfs |= std::ranges::any_of(
          fuse_prefixes, [&](const char* prefix) { return name.starts_with(prefix); });
    }
  }

  static void look_at(std::string_view attribute, std::string_view prefix, KernelSigns& signs) {
    if (!attribute.starts_with(prefix)) return;
    (attribute.substr(prefix.size()) == "opaque" ? signs.opaque : signs.others) = true;
  }

  const std::string& upper_;
  Signs signs_;
};

// Whether this process may see the attributes trusted.*: with a capability in the first user
// namespace.
bool sees_trusted_attributes() {
  constexpr ino_t first_user_namespace = 0xEFFFFFFD;  // the kernel's PROC_USER_INIT_INO
  struct stat status;
  if (stat("/proc/self/ns/user", &status) != 0 || status.st_ino != first_user_namespace) {
    return false;
  }
  __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> data = {};
  if (syscall(SYS_capget, &header, data.data()) != 0) return false;
  return (data[0].effective & 1U << CAP_SYS_ADMIN) != 0;
}

Error uncertain(const std::string& path, const char* reason) {
  return Error(Errc::unsupported, fmt::format("{}; --upper-format tells", reason)).with_path(path);
}

}  // namespace

OverlayKind find_overlay_kind(const std::string& upper) {
  const Signs signs = SignReader(upper).read();
  if (signs.fuse_overlayfs) {
    // Programs may have written attributes user.overlay.*, which it then hides.
    if (!signs.trusted.others && !signs.user_in_root) return OverlayKind::fuse_overlayfs;
    throw uncertain(upper, "has attributes of the kernel's overlay and of fuse-overlayfs");
  }
  const bool may_be_of_kernel = signs.trusted.any() || signs.user.any() || signs.whiteout_device;
  if (!signs.whiteout_name.empty()) {
    if (!may_be_of_kernel) return OverlayKind::fuse_overlayfs;
    throw uncertain(signs.whiteout_name,
                    "is a whiteout of fuse-overlayfs, or a file in the kernel's overlay");
  }
  if (signs.trusted.any() || !signs.user.any()) return OverlayKind::kernel;
  if (signs.user_in_root) return OverlayKind::userxattr;
  throw uncertain(upper, "has attributes user.overlay.*, which matter only with userxattr");
}

void require_trusted_attributes(const std::string& upper) {
  if (sees_trusted_attributes()) return;
  throw Error(Errc::access_denied,
              "only root sees the attributes trusted.overlay.*, which tell what to do with it")
      .with_path(upper);
}

}  // namespace cim::transfer
