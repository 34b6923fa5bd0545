// A layer of a container as a source of entries.
#include "transfer/layer_source.h"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <utility>
#include <variant>

#include <sys/stat.h>

#include "transfer/layer_metadata.h"
#include "transfer/layer_names.h"

namespace cim::transfer {
namespace {

constexpr std::u16string_view whiteout_prefix = u".wh.";
constexpr std::u16string_view opaque_name = u".wh..wh..opq";
constexpr std::u16string_view aufs_prefix = u".wh..wh.";  // what AUFS keeps for itself

constexpr std::string_view layout = "vhd-with-hives\n";

std::u16string_view first_name(std::u16string_view path) {
  return path.substr(0, path.find(u'\\'));
}

std::u16string_view last_name(std::u16string_view path) {
  return path.substr(path.rfind(u'\\') + 1);  // npos + 1 is 0
}

// Whether only a layer of Windows has the directory `name` at its top. Case does not matter on a
// layer of Windows; elsewhere a directory `files` may be one of Linux.
bool is_windows_directory(std::u16string_view name, const Image* base) {
  const bool ignores_case = base != nullptr && !base->case_sensitive();
  constexpr std::array<std::u16string_view, 3> directories = {u"Files", u"Hives", u"UtilityVM"};
  return std::ranges::any_of(directories, [&](std::u16string_view directory) {
    return name == directory || (ignores_case && equal_on_windows(name, directory));
  });
}

bool has_windows_records(const TarMember& member) {
  const auto record = member.records.lower_bound(windows_record_prefix);
  return record != member.records.end() && record->first.starts_with(windows_record_prefix);
}

// Whether `entry` is a root that may be one of any system, as `tar -c .` starts with.
bool is_plain_root(const Entry& entry, const TarMember& member) {
  return entry.kind == Entry::Kind::directory && entry.path.empty() && !has_windows_records(member);
}

LayerSource::System system_of(const Entry& entry, const TarMember& member, const Image* base) {
  std::u16string_view top = first_name(entry.path);
  if (top.starts_with(whiteout_prefix)) top.remove_prefix(whiteout_prefix.size());
  const bool is_windows = has_windows_records(member) || is_windows_directory(top, base);
  return is_windows ? LayerSource::System::windows : LayerSource::System::linux;
}

}  // namespace

LayerSource::LayerSource(Input& input, const std::string& name, std::optional<System> system,
                         const ImportOptions& options, Progress& progress)
    : archive_(input, name, options, progress),
      archive_name_(name),
      options_(options),
      progress_(progress),
      first_(archive_.next()) {
  while (first_ != nullptr && is_plain_root(*first_, archive_.member())) {
    root_ = {*first_, archive_.member()};
    first_ = archive_.next();
  }
  if (system) {
    system_ = *system;
  } else if (first_ != nullptr) {
    system_ = system_of(*first_, archive_.member(), options.base);
  } else if (options.base != nullptr) {
    system_ = system_of(*options.base);
  }
}

const Entry* LayerSource::next() {
  if (root_ && member_ == nullptr) {
    take_member(root_->entry, root_->member);
    return &entry_;
  }
  while (additions_ == 0) {
    const Entry* const entry = std::exchange(started_, true) ? archive_.next() : first_;
    if (entry == nullptr) break;
    if (take_member(*entry, archive_.member())) return &entry_;
  }
  return is_base_of_windows() ? next_addition() : nullptr;
}

// Makes an entry of that of the archive. Returns false if there is none.
bool LayerSource::take_member(const Entry& entry, const TarMember& member) {
  entry_ = entry;
  member_ = &member;
  if (last_name(entry_.path).starts_with(whiteout_prefix)) return take_whiteout();
  return system_ == System::linux || take_windows_member();
}

bool LayerSource::take_whiteout() {
  const std::u16string_view marker = last_name(entry_.path);
  const std::size_t directory_length = entry_.path.size() - marker.size();
  if (marker == opaque_name) {
    entry_.kind = Entry::Kind::opaque;
    entry_.path.resize(directory_length == 0 ? 0 : directory_length - 1);
    return true;
  }
  if (marker.starts_with(aufs_prefix)) return false;
  const std::u16string hidden(marker.substr(whiteout_prefix.size()));
  if (hidden.empty() || hidden == u"." || hidden == u"..") {
    throw Error(Errc::corrupt, "is a whiteout of no file").with_path(name());
  }
  entry_.kind = Entry::Kind::whiteout;
  entry_.path.replace(directory_length, std::u16string::npos, hidden);
  return true;
}

bool LayerSource::take_windows_member() {
  if (take_named_stream()) return true;
  const TarMember& member = *member_;
  file_name_ = member.name.substr(0, member.name.find_last_not_of('/') + 1);
  file_path_ = entry_.path;
  note_registry();
  if (entry_.kind == Entry::Kind::hard_link) return true;
  const mode_t type = member.metadata.status.st_mode & S_IFMT;
  if (type != S_IFREG && type != S_IFDIR && type != S_IFLNK) {
    ++left_out_;
    progress_.warn(name() + ": is of a type that Windows does not have; left out");
    return false;
  }
  try {
    WindowsMetadata metadata = windows_metadata(member);
    // A link is to a directory, or to a file, on Windows.
    const bool is_directory =
        type == S_IFDIR || (type == S_IFLNK && (metadata.attributes & attribute::directory) != 0);
    entry_.kind = is_directory ? Entry::Kind::directory : Entry::Kind::file;
    entry_.metadata = std::move(metadata);
  } catch (const Error& error) {
    throw error.with_path(name());
  }
  return true;
}

// Whether the member is an alternate data stream of the file before it. go-winio writes FILE:NAME,
// hcsshim expects FILE:NAME:$DATA.
bool LayerSource::take_named_stream() {
  constexpr std::string_view type_suffix = ":$DATA";
  const TarMember& member = *member_;
  if (entry_.kind != Entry::Kind::file || !S_ISREG(member.metadata.status.st_mode)) return false;
  std::string_view name = member.name;
  if (file_name_.empty() || !name.starts_with(file_name_ + ":")) return false;
  name.remove_prefix(file_name_.size() + 1);
  if (name.ends_with(type_suffix)) name.remove_suffix(type_suffix.size());
  if (name.empty() || name.find('/') != std::string_view::npos) return false;
  entry_.kind = Entry::Kind::named_stream;
  entry_.path = file_path_;
  entry_.target = linux_to_image_name(name);
  return true;
}

// Takes note of what the current file is for the registry.
void LayerSource::note_registry() {
  for (std::size_t index = 0; index < registry_hives.size(); ++index) {
    has_hive_[index] =
        has_hive_[index] || equal_on_windows(entry_.path, registry_hives[index].config);
  }
  const bool is_delta = equal_on_windows(first_name(entry_.path), u"Hives") &&
                        entry_.kind == Entry::Kind::file && options_.base != nullptr;
  if (!is_delta || std::exchange(warned_of_registry_, true)) return;
  progress_.warn(archive_name_ +
                 ": the changes of the registry in Hives are kept, but not merged; Hives/*_BASE "
                 "are still those of the layer below");
}

// What a base layer of Windows gets: a directory, the second names of hives, a file.
const Entry* LayerSource::next_addition() {
  const std::size_t index = additions_++;
  if (index > registry_hives.size() + 1) return nullptr;
  entry_ = {};
  if (index == 0) {
    entry_.kind = Entry::Kind::directory;
    entry_.path = u"Hives";
    entry_.metadata = plain_windows_metadata(attribute::directory);
  } else if (index <= registry_hives.size()) {
    const RegistryHive& hive = registry_hives[index - 1];
    if (!has_hive_[index - 1]) {
      throw Error(Errc::file_not_found,
                  "has no " + image_to_linux_path(hive.config) +
                      ", as a base layer of Windows has; another needs the layer below it")
          .with_path(archive_name_);
    }
    entry_.kind = Entry::Kind::hard_link;
    entry_.path = hive.base;
    entry_.target = hive.config;
  } else {
    entry_.path = u"layout";
    entry_.metadata = plain_windows_metadata(0);
    entry_.size = layout.size();
  }
  return &entry_;
}

void LayerSource::copy_data(WriteStream& stream) {
  if (additions_ == 0) return archive_.copy_data(stream);
  stream.write(std::as_bytes(std::span(layout)));
  progress_.advance({.bytes = layout.size()});
}

std::optional<EntryMetadata> LayerSource::missing_parent() const {
  if (system_ == System::linux) return archive_.missing_parent();
  WindowsMetadata metadata = plain_windows_metadata(attribute::directory);
  if (const auto* const entry = std::get_if<WindowsMetadata>(&entry_.metadata)) {
    metadata.creation_time = metadata.last_write_time = metadata.change_time =
        metadata.last_access_time = entry->last_write_time;
  }
  return metadata;
}

std::string LayerSource::name() const {
  return archive_name_ + ": " +
         (additions_ == 0 ? member_->name : image_to_linux_path(entry_.path));
}

LayerSource::System system_of(const Image& image) {
  return image.case_sensitive() ? LayerSource::System::linux : LayerSource::System::windows;
}

}  // namespace cim::transfer
