// An MSIX package as a source of entries.
#include "transfer/msix_source.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <system_error>
#include <utility>

#include <cim/error.h>
#include <cim/name.h>
#include <fmt/format.h>

#include "format/filetime.h"
#include "transfer/layer_metadata.h"
#include "transfer/msix_manifest.h"

namespace cim::transfer {
namespace {

constexpr std::string_view block_map_file = "AppxBlockMap.xml";
constexpr std::string_view manifest_file = "AppxManifest.xml";
constexpr std::string_view bundle_manifest_file = "AppxMetadata/AppxBundleManifest.xml";
constexpr std::string_view content_types_file = "[Content_Types].xml";

// What makes a package of files, and need not be in the block map.
constexpr std::array parts_of_package = {block_map_file, std::string_view("AppxSignature.p7x"),
                                         std::string_view("AppxMetadata/CodeIntegrity.cat")};

constexpr std::uint64_t max_part_size = 64 << 20;

Error corrupt(const std::string& reason) { return {Errc::corrupt, reason}; }

// Undoes the escapes of a URI: %20 for a space.
std::string without_escapes(std::string_view name) {
  std::string decoded;
  for (std::size_t index = 0; index < name.size(); ++index) {
    if (name[index] != '%') {
      decoded += name[index];
      continue;
    }
    const char* const digits = name.data() + index + 1;
    const char* const end = digits + std::min<std::size_t>(2, name.size() - index - 1);
    unsigned char byte = 0;
    const auto [stop, error] = std::from_chars(digits, end, byte, 16);
    if (error != std::errc() || stop != digits + 2)
      throw corrupt("has a malformed escape in its name");
    if (byte == '/') throw corrupt("has a '/' in its name");
    decoded += static_cast<char>(byte);
    index += 2;
  }
  return decoded;
}

// Whether Windows can have a file of this name, a part of a path.
bool is_windows_name(std::string_view name) {
  if (name.empty() || name.ends_with('.') || name.ends_with(' ')) return false;
  return std::ranges::none_of(name, [](char c) {
    return static_cast<unsigned char>(c) < 0x20 ||
           std::string_view("\"*:<>?\\|").find(c) != std::string_view::npos;
  });
}

// The path in the package of the member `name` of its archive.
std::string package_path(std::string_view name) {
  std::string path = without_escapes(name);
  std::string_view rest = path;
  for (;;) {
    const std::size_t end = rest.find('/');
    if (!is_windows_name(rest.substr(0, end)))
      throw corrupt("has a name that no file of Windows has");
    if (end == std::string_view::npos) return path;
    rest.remove_prefix(end + 1);
  }
}

std::map<std::string, std::uint64_t, std::less<>> list_files(int fd, const std::string& name) {
  std::map<std::string, std::uint64_t, std::less<>> files;
  ZipReader zip(fd, name);
  while (const ZipMember* const member = zip.next()) {
    try {
      if (!files.emplace(package_path(member->name), member->size).second) {
        throw Error(Errc::already_exists, "is there twice");
      }
    } catch (const Error& error) {
      throw error.with_path(name).with_object(member->name);
    }
  }
  return files;
}

}  // namespace

MsixSource::MsixSource(int fd, const std::string& name, const std::u16string& root,
                       Progress& progress)
    : fd_(fd),
      name_(name),
      progress_(progress),
      files_(list_files(fd, name)),
      directory_(root),
      zip_(fd, name) {
  if (files_.contains(bundle_manifest_file)) {
    throw Error(Errc::unsupported, "is a bundle of packages; unpack it, and use the one that fits")
        .with_path(name_);
  }
  std::string_view part = block_map_file;
  try {
    block_map_ = parse_msix_block_map(read_part(part));
    check_files();
    part = manifest_file;
    if (!directory_.empty()) directory_ += u'\\';
    directory_ += linux_to_image_path(msix_full_name(read_part(part)));
  } catch (const Error& error) {
    throw error.path().empty() ? error.with_object(part).with_path(name_) : error;
  }
}

// Compares the names and sizes of all files with the block map.
void MsixSource::check_files() const {
  for (const auto& [file, size] : files_) check_listed(file, size);
  for (const auto& [file, content] : block_map_.files) {
    if (!files_.contains(file)) {
      throw corrupt("is in the block map, but not in the package").with_path(message_name(file));
    }
  }
}

void MsixSource::check_listed(const std::string& file, std::uint64_t size) const {
  const MsixBlockMap::File* const expected = listed(file);
  if (expected == nullptr) {
    if (file == content_types_file || std::ranges::count(parts_of_package, file) != 0) return;
    throw corrupt("is not in the block map").with_path(message_name(file));
  }
  if (file == content_types_file) {
    throw corrupt("must not be in the block map").with_path(message_name(file));
  }
  if (expected->size == size) return;
  throw corrupt(fmt::format("has {} bytes, but {} in the block map", size, expected->size))
      .with_path(message_name(file));
}

const MsixBlockMap::File* MsixSource::listed(const std::string& file) const {
  const auto found = block_map_.files.find(file);
  return found == block_map_.files.end() ? nullptr : &found->second;
}

// The whole of a file that describes the package.
std::string MsixSource::read_part(std::string_view file) const {
  const auto known = files_.find(file);
  if (known == files_.end()) {
    throw corrupt(fmt::format("has no {}, as packages do", file)).with_path(name_);
  }
  if (known->second > max_part_size) throw Error(Errc::limit_exceeded, "is over 64 MiB");
  ZipReader zip(fd_, name_);
  while (const ZipMember* const member = zip.next()) {
    if (package_path(member->name) != file) continue;
    std::string text;
    read_data(zip, known->first, [&](ByteView data) {
      text.append(reinterpret_cast<const char*>(data.data()), data.size());
    });
    return text;
  }
  throw corrupt("has changed while it was read").with_path(name_);
}

const Entry* MsixSource::next() {
  for (;;) {
    const ZipMember* const member = zip_.next();
    if (member == nullptr) return nullptr;
    file_ = package_path(member->name);
    if (file_ == content_types_file) continue;
    WindowsMetadata metadata = plain_windows_metadata(0);
    metadata.creation_time = metadata.last_write_time = metadata.change_time =
        metadata.last_access_time = format::to_filetime(member->mtime);
    entry_ = {.path = directory_ + u'\\' + linux_to_image_path(file_),
              .metadata = std::move(metadata),
              .size = member->size};
    return &entry_;
  }
}

void MsixSource::copy_data(WriteStream& stream) {
  read_data(zip_, file_, [&](ByteView data) {
    stream.write(data);
    progress_.advance({.bytes = data.size()});
  });
}

// Calls `take` with all data of the current member of `zip`, the file `file`, after comparing it
// with the block map, if that has it.
void MsixSource::read_data(ZipReader& zip, const std::string& file,
                           const std::function<void(ByteView)>& take) const {
  std::optional<MsixBlockCheck> check;
  if (const MsixBlockMap::File* const expected = listed(file)) {
    check.emplace(*expected, message_name(file));
  }
  for (ByteView data = zip.read(); !data.empty(); data = zip.read()) {
    if (check) check->add(data);
    take(data);
  }
  if (check) check->finish();
}

std::optional<EntryMetadata> MsixSource::missing_parent() const {
  WindowsMetadata metadata = plain_windows_metadata(attribute::directory);
  if (const auto* const entry = std::get_if<WindowsMetadata>(&entry_.metadata)) {
    metadata.creation_time = metadata.last_write_time = metadata.change_time =
        metadata.last_access_time = entry->last_write_time;
  }
  return metadata;
}

}  // namespace cim::transfer
