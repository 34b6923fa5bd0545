// The facts that cim shows of a file of an image.
#include "cli/file_info.h"

#include <algorithm>
#include <utility>

#include <unistd.h>

#include "format/reparse.h"
#include "format/sddl.h"
#include "format/security_descriptor.h"
#include "format/sid.h"
#include "image/internals.h"
#include "posix/attributes.h"

namespace cim::cli {
namespace {

// The type of all streams with data, which may follow the name of one.
constexpr std::string_view data_type = ":$DATA";

[[noreturn]] void throw_not_found(const Image& image, const std::string& path, const char* what) {
  throw Error(Errc::file_not_found, what).with_image(image.path()).with_path(path);
}

// Nothing if there is no such file, also because no name is that long.
std::optional<File> lookup(const Image& image, std::string_view path) {
  try {
    const auto id = image.resolve(linux_to_image_path(path));
    return id ? std::optional(image.file(*id)) : std::nullopt;
  } catch (const Error& error) {
    if (error.code() != Errc::name_too_long) throw;
    return std::nullopt;
  }
}

Stream data_of(const Image& image, const File& file, const std::string& path) {
  const mode_t mode = file_info(image, file, path).status.st_mode;
  if (S_ISREG(mode)) return file.stream;
  throw Error(S_ISDIR(mode) ? Errc::is_a_directory : Errc::invalid_argument,
              std::string("is a ") + type_name(mode))
      .with_image(image.path())
      .with_path(path);
}

// The alternate stream of `file` that is called `name`, with or without a type.
std::optional<Stream> named_stream(const Image& image, const File& file, std::string_view name) {
  if (const auto stream = image.find_named_stream(file, linux_to_image_name(name))) return stream;
  if (!name.ends_with(data_type)) return std::nullopt;
  name.remove_suffix(data_type.size());
  return image.find_named_stream(file, linux_to_image_name(name));
}

Account account(const std::optional<ByteView>& part) {
  if (!part) return {};
  const ByteView sid = format::leading_sid(*part);
  return {format::sid_text(sid), std::string(format::account_name(sid))};
}

}  // namespace

File find_file(const Image& image, const std::string& path) {
  const auto id = image.resolve(linux_to_image_path(path));
  if (!id) throw_not_found(image, path, "no such file or directory");
  return image.file(*id);
}

Stream find_stream(const Image& image, const std::string& path) {
  const std::size_t name_start = path.rfind('/') + 1;  // npos + 1 is 0
  std::size_t colon = path.find(':', name_start);
  if (colon == std::string::npos) return data_of(image, find_file(image, path), path);
  if (const auto file = lookup(image, path)) return data_of(image, *file, path);
  bool file_exists = false;
  for (; colon != std::string::npos; colon = path.find(':', colon + 1)) {
    const auto file = lookup(image, path.substr(0, colon));
    if (!file) continue;
    file_exists = true;
    const std::string_view name = std::string_view(path).substr(colon + 1);
    if (name == data_type) return data_of(image, *file, path);
    if (const auto stream = named_stream(image, *file, name)) return *stream;
  }
  throw_not_found(image, path,
                  file_exists ? "no such alternate stream" : "no such file or directory");
}

std::string path_below(const std::string& start, std::string_view relative) {
  std::string path = start.empty() ? "." : start;
  if (relative.empty()) return path;
  if (!path.ends_with('/')) path += '/';
  if (relative.starts_with('/')) relative.remove_prefix(1);
  return path += relative;
}

FileInfo file_info(const Image& image, const File& file, std::string path) {
  const posix::MountDefaults defaults = {.uid = geteuid(), .gid = getegid()};
  FileInfo info = {.path = std::move(path),
                   .file = file,
                   .status = posix::attributes(image, file, defaults),
                   .target = {}};
  if (S_ISLNK(info.status.st_mode)) info.target = posix::symlink_target(image, file);
  return info;
}

std::optional<StoredExecutable> stored_executable(const Image& image, const Stream& stream) {
  if (stream.type != StreamType::pe_image || stream.sparse) return std::nullopt;
  const format::PeImage header = ImageInternals(image).pe_image(stream).header;
  return StoredExecutable{header.data_length, header.mapping_count + 1U};
}

std::optional<Security> security_of(const Image& image, const File& file) {
  const ByteView descriptor = image.security_descriptor(file);
  if (descriptor.empty()) return std::nullopt;
  Security security;
  try {
    const format::SecurityDescriptor parts = format::decode_security_descriptor(descriptor);
    security.owner = account(parts.owner);
    security.group = account(parts.group);
    security.sddl = format::format_sddl(descriptor);
  } catch (const Error& error) {
    security.problem = error.reason();
  }
  return security;
}

const char* type_name(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "regular file";
    case S_IFDIR:
      return "directory";
    case S_IFLNK:
      return "symbolic link";
    case S_IFIFO:
      return "fifo";
    case S_IFSOCK:
      return "socket";
    case S_IFCHR:
      return "character special file";
    case S_IFBLK:
      return "block special file";
    default:
      return "unknown";
  }
}

std::vector<std::string> attribute_names(std::uint32_t attributes) {
  constexpr std::pair<std::uint32_t, const char*> names[] = {
      {attribute::read_only, "read-only"},
      {attribute::hidden, "hidden"},
      {attribute::system, "system"},
      {attribute::directory, "directory"},
      {attribute::archive, "archive"},
      {attribute::sparse_file, "sparse"},
      {attribute::reparse_point, "reparse-point"},
  };
  std::vector<std::string> set;
  for (const auto& [bit, name] : names) {
    if ((attributes & bit) != 0) set.emplace_back(name);
  }
  return set;
}

std::string_view reparse_tag_name(std::uint32_t tag) {
  constexpr std::pair<std::uint32_t, std::string_view> names[] = {
      {format::tag_mount_point, "MOUNT_POINT"},
      {format::tag_symlink, "SYMLINK"},
      {format::tag_lx_symlink, "LX_SYMLINK"},
      {format::tag_af_unix, "AF_UNIX"},
      {format::tag_lx_fifo, "LX_FIFO"},
      {format::tag_lx_chr, "LX_CHR"},
      {format::tag_lx_blk, "LX_BLK"},
      {0x80000007, "SIS"},
      {0x80000008, "WIM"},
      {0x80000009, "CSV"},
      {0x8000000A, "DFS"},
      {0x80000012, "DFSR"},
      {0x80000013, "DEDUP"},
      {0x80000014, "NFS"},
      {0x80000017, "WOF"},
      {0x80000018, "WCI"},
      {0x8000001B, "APPEXECLINK"},
      {0x9000001C, "PROJFS"},
      {0x90001018, "WCI_1"},
      {0x9000001A, "CLOUD"},
      {0xA0000019, "GLOBAL_REPARSE"},
      {0xA000001F, "WCI_TOMBSTONE"},
      {0xA0000022, "PROJFS_TOMBSTONE"},
      {0xA0000027, "WCI_LINK"},
      {0xA0000028, "DATALESS_CIM"},
      {0xA0001027, "WCI_LINK_1"},
  };
  const auto name =
      std::ranges::find(names, tag, &std::pair<std::uint32_t, std::string_view>::first);
  return name == std::ranges::end(names) ? std::string_view() : name->second;
}

}  // namespace cim::cli
