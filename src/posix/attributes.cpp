// Reads Linux metadata, in the encoding of the Windows Subsystem for Linux, from an image.
#include "posix/attributes.h"

#include <algorithm>
#include <array>
#include <unordered_set>
#include <utility>

#include <fmt/format.h>
#include <linux/limits.h>
#include <strings.h>
#include <sys/sysmacros.h>

#include "format/bytes.h"
#include "format/extended_attributes.h"
#include "format/filetime.h"
#include "format/reparse.h"
#include "image/internals.h"
#include "posix/acl.h"

namespace cim::posix {
namespace {

constexpr mode_t permission_bits = 07777;
constexpr mode_t write_bits = 0222;
constexpr blksize_t block_size = 4096;      // what stat(2) advises for I/O
constexpr std::uint64_t sector_size = 512;  // the unit of st_blocks

// Data of up to this length has no holes, or none worth asking the system for.
constexpr std::uint64_t max_length_without_holes = 16 * 1024;

// The rest of a file with more holes than this counts as data, so that stat(2) does not take long.
constexpr int max_counted_holes = 64;

constexpr std::string_view xattr_value_prefix = "lxea";
constexpr std::string_view stream_xattr_prefix = "user.";

std::string_view as_text(ByteView bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Error about_file(const Error& error, const Image& image, const File& file) {
  return error.with_object(fmt::format("file {}", file.id)).with_image(image.path());
}

// decode(bytes), for `bytes` that belong to `file`; adds the image and the file to an Error from
// it.
template <typename Decode>
auto decode_for(const Image& image, const File& file, ByteView bytes, Decode&& decode) {
  try {
    return decode(bytes);
  } catch (const Error& error) {
    throw about_file(error, image, file);
  }
}

// What the extended attributes of a file say about it.
struct RecordedAttributes {
  std::optional<std::uint32_t> mode;
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;
  dev_t device = 0;
};

// Nothing for a value of another size: the format lets a Windows program store anything under
// these names.
template <typename T>
std::optional<T> value_as(const format::ExtendedAttribute& ea) {
  if (ea.value.size() != sizeof(T)) return std::nullopt;
  return format::load<T>(ea.value, 0, "value");
}

bool same_ea_name(std::string_view a, std::string_view b) {
  return a.size() == b.size() && strncasecmp(a.data(), b.data(), a.size()) == 0;
}

RecordedAttributes recorded_attributes(ByteView ea_list) {
  RecordedAttributes result;
  format::EaReader reader(ea_list);
  while (const auto ea = reader.next()) {
    if (ea->name.front() != '$') continue;
    if (same_ea_name(ea->name, "$LXMOD")) {
      result.mode = value_as<std::uint32_t>(*ea);
    } else if (same_ea_name(ea->name, "$LXUID")) {
      result.uid = value_as<std::uint32_t>(*ea);
    } else if (same_ea_name(ea->name, "$LXGID")) {
      result.gid = value_as<std::uint32_t>(*ea);
    } else if (same_ea_name(ea->name, "$LXDEV")) {
      const auto numbers = value_as<std::array<std::uint32_t, 2>>(*ea);
      if (numbers) result.device = makedev((*numbers)[0], (*numbers)[1]);
    }
  }
  return result;
}

// The type comes from the file itself, not from $LXMOD: a plain file must not turn into a device.
mode_t file_type(const File& file) {
  if (is_symlink(file)) return S_IFLNK;
  switch (file.reparse_tag) {
    case format::tag_lx_fifo:
      return S_IFIFO;
    case format::tag_lx_chr:
      return S_IFCHR;
    case format::tag_lx_blk:
      return S_IFBLK;
    case format::tag_af_unix:
      return S_IFSOCK;
    default:
      return file.is_directory() ? S_IFDIR : S_IFREG;
  }
}

mode_t default_permissions(const File& file, mode_t type, const MountDefaults& defaults) {
  if (type == S_IFLNK) return 0777;
  mode_t permissions = 0777 & ~(type == S_IFDIR ? defaults.directory_mask : defaults.file_mask);
  if (file.attributes & attribute::read_only) permissions &= ~write_bits;
  return permissions;
}

// Does not allocate for a Linux link.
std::size_t symlink_target_size(const Image& image, const File& file) {
  if (file.reparse_tag != format::tag_lx_symlink) return symlink_target(image, file).size();
  return decode_for(image, file, image.reparse_data(file), format::lx_symlink_target).size();
}

nlink_t hard_links(const Image& image, const File& file, mode_t type) {
  // The subdirectories of a directory that is also a link or a device cannot be reached.
  if (type != S_IFDIR && file.is_directory()) return 1;
  return image.link_count(file);
}

// The bytes of `stream` that are not in holes, or more if it has very many holes.
std::uint64_t data_length(const Image& image, const Stream& stream) {
  if (stream.sparse) return 0;
  if (stream.length <= max_length_without_holes || !image.may_have_holes(stream)) {
    return stream.length;
  }
  std::uint64_t length = stream.length;
  std::uint64_t position = 0;
  for (int i = 0; i < max_counted_holes && position < stream.length; ++i) {
    const std::uint64_t hole = image.seek(stream, position, false).value_or(stream.length);
    position = image.seek(stream, hole, true).value_or(stream.length);
    length -= position - hole;
  }
  return length;
}

// Errors in the data are for those who read it.
std::uint64_t data_length_or_all(const Image& image, const Stream& stream) {
  try {
    return data_length(image, stream);
  } catch (const Error&) {
    return stream.length;
  }
}

void set_blocks(std::uint64_t length, struct stat& status) {
  status.st_blocks = static_cast<blkcnt_t>((length + sector_size - 1) / sector_size);
}

void set_size(const Image& image, const File& file, struct stat& status) {
  switch (status.st_mode & S_IFMT) {
    case S_IFLNK:
      status.st_size = static_cast<off_t>(symlink_target_size(image, file));
      return;
    case S_IFREG:
      status.st_size = static_cast<off_t>(file.stream.length);
      set_blocks(data_length_or_all(image, file.stream), status);
      return;
    case S_IFDIR:
      status.st_size = static_cast<off_t>(file.stream.length);
      set_blocks(file.stream.length, status);
      return;
    default:
      return;
  }
}

// Whether `directory` is what a link of Windows calls `C:\`: the root, or in the image of a
// container layer, which has `Hives` beside it, `Files`, or that of the virtual machine for it.
bool is_volume_root(const Image& image, FileId directory) {
  if (directory == image.root()) return true;
  if (image.case_sensitive() || !image.resolve(u"Hives")) return false;
  return directory == image.resolve(u"Files") || directory == image.resolve(u"UtilityVM\\Files");
}

// The number of directories between the root of its volume and `file`.
std::size_t depth_of(const Image& image, const File& file) {
  std::size_t depth = 0;
  // 0: it cannot be reached from the root.
  for (FileId id = image.parent(file); id != 0 && !is_volume_root(image, id);
       id = image.parent(image.file(id))) {
    if (++depth > max_path_units) {
      throw about_file(Error(Errc::corrupt, "the directories above it form a loop"), image, file);
    }
  }
  return depth;
}

bool is_drive(std::u16string_view name) {
  const auto letter = static_cast<char16_t>(name.empty() ? 0 : name[0] | 0x20);
  return name.size() == 2 && letter >= u'a' && letter <= u'z' && name[1] == u':';
}

std::u16string_view take_component(std::u16string_view& path) {
  const std::size_t end = std::min(path.find(u'\\'), path.size());
  const std::u16string_view component = path.substr(0, end);
  path.remove_prefix(std::min(end + 1, path.size()));
  return component;
}

// Removes the part of `target` that stands for the volume's root: `\??\C:\`, `\??\Volume{GUID}\`,
// `C:\` or `\`. Returns whether there was one.
bool take_volume_root(std::u16string_view& target) {
  bool absolute = false;
  for (const std::u16string_view prefix : {u"\\??\\", u"\\\\?\\", u"\\"}) {
    if (!target.starts_with(prefix)) continue;
    target.remove_prefix(prefix.size());
    absolute = true;
    break;
  }
  std::u16string_view rest = target;
  const std::u16string_view volume = take_component(rest);
  if (!is_drive(volume) && !(absolute && volume.starts_with(u"Volume{"))) return absolute;
  target = rest;
  return true;
}

std::string windows_symlink_target(const Image& image, const File& file) {
  const format::WindowsLink link =
      decode_for(image, file, image.reparse_data(file), format::windows_link);
  std::u16string_view rest = link.target;
  std::string target;
  if (take_volume_root(rest)) {
    for (std::size_t i = depth_of(image, file); i > 0; --i) target += "../";
  }
  while (!rest.empty()) {
    const std::u16string_view component = take_component(rest);
    if (component.empty()) continue;
    target += image_to_linux_name(component);
    target += '/';
  }
  if (target.empty()) return ".";
  target.pop_back();
  return target;
}

// The name of the Linux xattr stored in `ea`; nothing if it does not store one.
std::optional<std::string_view> xattr_name(const format::ExtendedAttribute& ea) {
  if (!ea.name.starts_with(format::linux_xattr_prefix)) return std::nullopt;
  if (!as_text(ea.value).starts_with(xattr_value_prefix)) return std::nullopt;
  const std::string_view name = ea.name.substr(format::linux_xattr_prefix.size());
  // listxattr(2) separates names with NULs.
  if (name.empty() || name.find('\0') != std::string_view::npos) return std::nullopt;
  return name;
}

std::vector<std::string> stored_xattr_names(ByteView ea_list) {
  std::vector<std::string> names;
  format::EaReader reader(ea_list);
  while (const auto ea = reader.next()) {
    if (const auto name = xattr_name(*ea)) names.emplace_back(*name);
  }
  return names;
}

std::string xattr_value(const format::ExtendedAttribute& ea) {
  return std::string(as_text(ea.value).substr(xattr_value_prefix.size()));
}

std::optional<std::string> stored_xattr(const Image& image, const File& file,
                                        std::string_view name) {
  const auto find = [name](ByteView ea_list) -> std::optional<std::string> {
    format::EaReader reader(ea_list);
    while (const auto ea = reader.next()) {
      if (xattr_name(*ea) == name) return xattr_value(*ea);
    }
    return std::nullopt;
  };
  return decode_for(image, file, image.extended_attributes(file), find);
}

std::string read_all(const Image& image, const Stream& stream) {
  std::string value(stream.length, '\0');
  image.read(stream, 0, std::as_writable_bytes(std::span(value)));
  return value;
}

std::optional<std::string> stream_xattr(const Image& image, const File& file,
                                        std::string_view name) {
  if (file.stream_table_offset == 0) return std::nullopt;
  const auto stream = image.find_named_stream(file, linux_to_image_name(name));
  if (!stream) return std::nullopt;
  if (stream->length > XATTR_SIZE_MAX) {
    throw about_file(
        Error(Errc::limit_exceeded,
              fmt::format("stream {} of {} bytes is too large for an xattr", name, stream->length)),
        image, file);
  }
  return read_all(image, *stream);
}

// An object of the image as a value; nothing if the file has no such object.
std::optional<std::string> as_value(ByteView bytes) {
  if (bytes.empty()) return std::nullopt;
  return std::string(as_text(bytes));
}

// The extended attributes under which ntfs-3g shows Windows metadata.
std::optional<std::string> ntfs_xattr(const Image& image, const File& file, std::string_view name) {
  if (name == "attrib") return as_value(format::bytes_of(file.attributes));
  if (name == "crtime") return as_value(format::bytes_of(file.creation_time));
  if (name == "times") {
    const std::array times = {file.creation_time, file.last_write_time, file.last_access_time,
                              file.change_time};
    return as_value(format::bytes_of(times));
  }
  if (name == "acl") return as_value(image.security_descriptor(file));
  if (name == "reparse_data") return as_value(image.reparse_data(file));
  if (name == "ea") return as_value(image.extended_attributes(file));
  return std::nullopt;
}

}  // namespace

struct stat attributes(const Image& image, const File& file, const MountDefaults& defaults) {
  const RecordedAttributes metadata =
      decode_for(image, file, image.extended_attributes(file), recorded_attributes);
  const mode_t type = file_type(file);
  struct stat status = {};
  status.st_mode = type | (metadata.mode ? *metadata.mode & permission_bits
                                         : default_permissions(file, type, defaults));
  status.st_nlink = hard_links(image, file, type);
  status.st_uid = metadata.uid.value_or(defaults.uid);
  status.st_gid = metadata.gid.value_or(defaults.gid);
  if (type == S_IFCHR || type == S_IFBLK) status.st_rdev = metadata.device;
  status.st_blksize = block_size;
  set_size(image, file, status);
  status.st_atim = format::to_timespec(file.last_access_time);
  status.st_mtim = format::to_timespec(file.last_write_time);
  status.st_ctim = format::to_timespec(file.change_time);
  return status;
}

timespec birth_time(const File& file) noexcept { return format::to_timespec(file.creation_time); }

bool is_directory(const File& file) noexcept { return file.is_directory() && !is_symlink(file); }

bool is_symlink(const File& file) noexcept {
  return file.reparse_tag == format::tag_lx_symlink || file.reparse_tag == format::tag_symlink ||
         file.reparse_tag == format::tag_mount_point;
}

std::string symlink_target(const Image& image, const File& file) {
  if (!is_symlink(file)) {
    throw about_file(Error(Errc::invalid_argument, "is not a symbolic link"), image, file);
  }
  if (file.reparse_tag != format::tag_lx_symlink) return windows_symlink_target(image, file);
  return std::string(decode_for(image, file, image.reparse_data(file), format::lx_symlink_target));
}

std::vector<std::string> list_xattrs(const Image& image, const File& file) {
  using Obstacle = StreamXattr::Obstacle;
  std::vector<std::string> names =
      decode_for(image, file, image.extended_attributes(file), stored_xattr_names);
  for (const StreamXattr& stream : stream_xattrs(image, file)) {
    // A name over the limit could be listed but never asked for.
    if (stream.obstacle == Obstacle::none || stream.obstacle == Obstacle::too_large) {
      names.push_back(xattr_name(stream));
    }
  }
  return names;
}

std::vector<std::pair<std::string, std::string>> stored_xattrs(const Image& image,
                                                               const File& file) {
  return decode_for(image, file, image.extended_attributes(file), [](ByteView ea_list) {
    std::vector<std::pair<std::string, std::string>> xattrs;
    format::EaReader reader(ea_list);
    while (const auto ea = reader.next()) {
      if (const auto name = xattr_name(*ea)) xattrs.emplace_back(*name, xattr_value(*ea));
    }
    return xattrs;
  });
}

std::vector<StreamXattr> stream_xattrs(const Image& image, const File& file) {
  using Obstacle = StreamXattr::Obstacle;
  std::vector<StreamXattr> streams;
  if (file.stream_table_offset == 0) return streams;
  const std::vector<std::string> stored =
      decode_for(image, file, image.extended_attributes(file), stored_xattr_names);
  const std::unordered_set<std::string> taken(stored.begin(), stored.end());
  for (const NamedStream& named : image.named_streams(file)) {
    StreamXattr& stream =
        streams.emplace_back(StreamXattr{image_to_linux_name(named.name), named.stream});
    const std::string name = xattr_name(stream);
    if (name.size() > XATTR_NAME_MAX) {
      stream.obstacle = Obstacle::name_too_long;
    } else if (taken.contains(name)) {
      stream.obstacle = Obstacle::name_taken;
    } else if (stream.stream.length > XATTR_SIZE_MAX) {
      stream.obstacle = Obstacle::too_large;
    }
  }
  return streams;
}

std::string xattr_name(const StreamXattr& stream) {
  return std::string(stream_xattr_prefix) + stream.name;
}

std::string describe_obstacle(const StreamXattr& stream) {
  using Obstacle = StreamXattr::Obstacle;
  const std::string subject = "alternate stream " + stream.name;
  switch (stream.obstacle) {
    case Obstacle::too_large:
      return subject + " is too large for an extended attribute";
    case Obstacle::name_too_long:
      return subject + " has too long a name for an extended attribute";
    case Obstacle::name_taken:
      return subject + " has the name of an extended attribute of the file";
    default:
      return subject;
  }
}

std::string xattr_value(const Image& image, const StreamXattr& stream) {
  return read_all(image, stream.stream);
}

XattrNames::XattrNames(const Image& image)
    : names_(ImageInternals(image).attribute_names()),
      may_contain_acls_(may_contain(access_acl_xattr) || may_contain(default_acl_xattr)) {}

bool XattrNames::may_contain(std::string_view name) const {
  return !names_ || names_->may_include(std::string(format::linux_xattr_prefix).append(name));
}

std::optional<std::string> get_xattr(const Image& image, const File& file, std::string_view name) {
  constexpr std::string_view ntfs_prefix = "system.ntfs_";
  if (name.starts_with(ntfs_prefix)) {
    return ntfs_xattr(image, file, name.substr(ntfs_prefix.size()));
  }
  if (auto value = stored_xattr(image, file, name)) return value;
  if (!name.starts_with(stream_xattr_prefix)) return std::nullopt;
  return stream_xattr(image, file, name.substr(stream_xattr_prefix.size()));
}

}  // namespace cim::posix
