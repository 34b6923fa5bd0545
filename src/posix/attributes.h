// How Linux sees a file of an image: stat(2), readlink(2), extended attributes.
//
// Linux metadata is stored by the conventions of the Windows Subsystem for Linux; MountDefaults
// supply what an image made on Windows lacks. May be called from many threads at once.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <cim/image.h>
#include <sys/stat.h>

#include "image/attribute_names.h"

namespace cim::posix {

// Owner and permissions of files that have none recorded ($LXUID, $LXGID, $LXMOD).
struct MountDefaults {
  uid_t uid = 0;
  gid_t gid = 0;
  mode_t file_mask = 0133;       // permission bits to clear: 0644
  mode_t directory_mask = 0022;  // 0755
};

// stat(2) of `file`, except st_ino and st_dev, which belong to the mount. Except for Windows links,
// does not allocate once the image's link counts are known. Throws Error (corrupt).
struct stat attributes(const Image& image, const File& file, const MountDefaults& defaults);

// The birth time of `file`.
timespec birth_time(const File& file) noexcept;

// The target of the symbolic link `file`. In a Windows link `\` becomes `/`, and an absolute target
// (`\??\C:\x`) becomes relative to the link, within the image. C:\ is the image's root; in the
// image of a layer for containers, it is the directory Files for what is in there. Throws Error:
// invalid_argument if `file` is not a symbolic link, corrupt.
std::string symlink_target(const Image& image, const File& file);

// Whether attributes() shows `file` as a directory, which a junction is not.
bool is_directory(const File& file) noexcept;

// Whether attributes() shows `file` as a symbolic link.
bool is_symlink(const File& file) noexcept;

// The names of the extended attributes of `file` that listxattr(2) shows: its stored Linux xattrs,
// and `user.NAME` for each alternate data stream, unless that name is taken or too long. The value
// of a listed stream may still be too large for getxattr(2).
std::vector<std::string> list_xattrs(const Image& image, const File& file);

// The stored Linux xattrs of `file`: names and values.
std::vector<std::pair<std::string, std::string>> stored_xattrs(const Image& image,
                                                               const File& file);

// An alternate data stream, which is an extended attribute on Linux if there is no obstacle.
struct StreamXattr {
  enum class Obstacle {
    none,
    too_large,      // over 64 KiB
    name_too_long,  // over 255 bytes as an attribute name
    name_taken,     // by a stored xattr
  };

  std::string name;  // of the stream: the attribute is `user.NAME`
  Stream stream;
  Obstacle obstacle = Obstacle::none;
};

// The alternate data streams of `file`.
std::vector<StreamXattr> stream_xattrs(const Image& image, const File& file);

// The name of `stream` as an extended attribute.
std::string xattr_name(const StreamXattr& stream);

// A line that says what the obstacle of `stream` is. It must have one.
std::string describe_obstacle(const StreamXattr& stream);

// The value of `stream` as an extended attribute. It must have no obstacle.
std::string xattr_value(const Image& image, const StreamXattr& stream);

// The names of stored xattrs that files of an image may have: any name, if the image does not
// record them. May be used by many threads at once.
class XattrNames {
 public:
  explicit XattrNames(const Image& image);

  bool may_contain(std::string_view name) const;

  // Whether some file may have an access control list, or a default one for new files in it.
  bool may_contain_acls() const noexcept { return may_contain_acls_; }

 private:
  std::optional<AttributeNames> names_;
  bool may_contain_acls_;
};

// The value of the extended attribute `name`: one that list_xattrs() shows, or one of ntfs-3g's
// `system.ntfs_*`; nothing if there is none. Throws Error: limit_exceeded if a stream is too large
// for a value (64 KiB), corrupt.
std::optional<std::string> get_xattr(const Image& image, const File& file, std::string_view name);

}  // namespace cim::posix
