// What changed between two images.
#include "transfer/image_changes.h"

#include <algorithm>
#include <cstring>
#include <set>
#include <utility>

#include "image/internals.h"
#include "posix/attributes.h"

namespace cim::transfer {
namespace {

constexpr std::size_t buffer_size = 1 << 20;

bool equal(ByteView a, ByteView b) { return std::ranges::equal(a, b); }

// The record at `slot`; empty if the table has no such.
ByteView record_at(const FileTable& table, std::size_t slot) {
  if (slot >= table.entry.count) return {};
  return table.records.subspan(slot * table.entry.entry_size, table.entry.entry_size);
}

}  // namespace

ImageChanges::ImageChanges(const Image* before, const Image& after, Progress& progress)
    : before_(before), after_(after), progress_(progress), walk_(after, {}, EntryOrder::bytes) {
  if (before_ == nullptr) return;
  tally_.emplace(*before_);
  shared_ = SharedRegions(*before_, after_);
  if (shared_.include_all_of_first()) find_changed_records();
}

void ImageChanges::find_changed_records() {
  const ImageInternals before(*before_);
  const ImageInternals after(after_);
  is_structural_ = true;
  const std::uint32_t old_tables = before.file_table_count();
  for (std::uint32_t index = 0; index < after.file_table_count() && is_structural_; ++index) {
    const FileTable table = after.file_table(index);
    const FileTable old_table = index < old_tables ? before.file_table(index) : FileTable{};
    const bool is_shared = index < old_tables && table.entry.count == old_table.entry.count &&
                           table.entry.entry_size == old_table.entry.entry_size &&
                           shared_.same_object(old_table.entry.table, table.entry.table);
    if (is_shared) continue;
    for (std::size_t slot = 0; slot < table.entry.count; ++slot) {
      if (equal(record_at(table, slot), record_at(old_table, slot))) continue;
      mark_changed(static_cast<FileId>(index * format::files_per_table + slot + 1));
    }
  }
}

// Notes that the record of `id` has changed. Gives up being structural if the image does not record
// which directories have the file.
void ImageChanges::mark_changed(FileId id) {
  const ImageInternals internals(after_);
  std::vector<FileId> pending = {id};
  while (!pending.empty()) {
    const FileId touched = pending.back();
    pending.pop_back();
    if (!touched_.insert(touched).second) continue;
    if (touched == after_.root()) continue;
    const std::vector<FileName> names = internals.names(after_.file(touched));
    if (names.empty()) {
      is_structural_ = false;
      return;
    }
    for (const FileName& name : names) pending.push_back(name.directory);
  }
}

// Whether a file, with everything below it, is as it was for sure.
bool ImageChanges::is_untouched(const File& before, const File& after) const {
  return is_structural_ && before.id == after.id && !touched_.contains(after.id);
}

std::optional<Change> ImageChanges::next() {
  using Step = ImageWalk::Step;
  while (true) {
    if (!removed_.empty()) {
      Change change = {.kind = Change::Kind::removed, .path = std::move(removed_.back())};
      removed_.pop_back();
      return change;
    }
    const Step step = walk_.next();
    if (step == Step::end) return std::nullopt;
    if (step == Step::leave_directory) {
      levels_.pop_back();
      continue;
    }
    progress_.advance({.files = 1});
    try {
      if (auto change = visit(step == Step::enter_directory)) return change;
    } catch (const Error& error) {
      throw error.with_path(walk_.path().empty() ? "." : walk_.path());
    }
  }
}

// What was at the path of the walk.
std::optional<File> ImageChanges::find_before() const {
  if (before_ == nullptr) return std::nullopt;
  if (levels_.empty()) return before_->file(before_->root());
  const Level& level = levels_.back();
  const auto entry = level.entries.find(walk_.name());
  if (!level.same_entries && entry == level.entries.end()) return std::nullopt;
  return before_->file(level.same_entries ? walk_.file().id : entry->second);
}

// Nothing if the file at the path of the walk is as it was.
std::optional<Change> ImageChanges::visit(bool is_directory) {
  const File& file = walk_.file();
  const std::optional<File> before = find_before();
  if (is_directory && before && is_untouched(*before, file)) {
    walk_.skip_directory();
    return std::nullopt;
  }
  const bool has_new_names =
      !file.is_directory() && this->has_new_names(before.value_or(File()), file);
  const bool is_same =
      before && (is_untouched(*before, file) || (!has_new_names && same_file(*before, file)));
  if (is_directory) enter(before);
  if (is_same && !is_directory) {
    if (!is_structural_ && after_.link_count(file) > 1) {
      kept_names_[file.id].push_back(walk_.path());
    }
    return std::nullopt;
  }
  using Kind = Change::Kind;
  const Kind kind = !before ? Kind::added : is_same ? Kind::same_directory : Kind::changed;
  return Change{kind, walk_.path(), file};
}

// Lists what the directory that the walk has entered had.
void ImageChanges::enter(const std::optional<File>& before) {
  Level& level = levels_.emplace_back();
  if (!before || !posix::is_directory(*before)) return;
  const File& after = walk_.file();
  level.same_entries =
      is_structural_ && before->stream.length == after.stream.length &&
      shared_.same_object(before->stream.region_offset, after.stream.region_offset);
  if (level.same_entries) return;
  for_each_entry(*before_, *before, [&](std::u16string_view name, FileId id) {
    tally_->add_entry(name);
    level.entries.emplace(image_to_linux_name(name), id);
    return true;
  });
  std::set<std::string> removed;
  for (const auto& [name, id] : level.entries) removed.insert(name);
  for_each_entry(after_, after, [&](std::u16string_view name, FileId id) {
    const auto entry = level.entries.find(image_to_linux_name(name));
    if (entry == level.entries.end()) return true;
    // A link to a directory, as Windows has them, would keep the contents of a directory.
    const bool hides_contents = posix::is_symlink(after_.file(id)) &&
                                after_.file(id).is_directory() &&
                                posix::is_directory(before_->file(entry->second));
    if (hides_contents) {
      level.entries.erase(entry);
    } else {
      removed.erase(entry->first);
    }
    return true;
  });
  const std::string prefix = walk_.path().empty() ? "" : walk_.path() + '/';
  for (const std::string& name : removed) removed_.push_back(prefix + name);
  std::ranges::reverse(removed_);
}

// Whether `after`, which is not a directory, shares its data with other names than `before` did,
// which is an empty File if there was none.
bool ImageChanges::has_new_names(const File& before, const File& after) {
  const bool had_others =
      before.id != 0 && !before.is_directory() && before_->link_count(before) > 1;
  if (!had_others && after_.link_count(after) < 2) return false;
  if (is_structural_) return before.id != after.id;
  const FileId older = older_ids_.try_emplace(after.id, before.id).first->second;
  if (before.id == 0) return true;
  const FileId newer = newer_ids_.try_emplace(before.id, after.id).first->second;
  return older != before.id || newer != after.id;
}

bool ImageChanges::same_file(const File& before, const File& after) const {
  const bool same_record =
      before.attributes == after.attributes && before.reparse_tag == after.reparse_tag &&
      before.creation_time == after.creation_time &&
      before.last_write_time == after.last_write_time && before.change_time == after.change_time &&
      before.last_access_time == after.last_access_time &&
      before.is_directory() == after.is_directory();
  if (!same_record) return false;
  const Metadata old_metadata = before_->metadata(before);
  const Metadata metadata = after_.metadata(after);
  return equal(old_metadata.security_descriptor, metadata.security_descriptor) &&
         equal(old_metadata.reparse_data, metadata.reparse_data) &&
         equal(old_metadata.extended_attributes, metadata.extended_attributes) &&
         same_streams(before, after);
}

bool ImageChanges::same_streams(const File& before, const File& after) const {
  const std::vector<NamedStream> old_streams = before_->named_streams(before);
  const std::vector<NamedStream> streams = after_.named_streams(after);
  const bool same_named =
      std::ranges::equal(old_streams, streams, [&](const NamedStream& a, const NamedStream& b) {
        return a.name == b.name && same_stream(a.stream, b.stream);
      });
  return same_named && (after.is_directory() || same_stream(before.stream, after.stream));
}

bool ImageChanges::same_stream(const Stream& before, const Stream& after) const {
  if (before.length != after.length) return false;
  if (shared_.same_stream(before, after)) return true;
  std::vector<std::byte> old_part(std::min<std::uint64_t>(buffer_size, after.length));
  std::vector<std::byte> part(old_part.size());
  for (std::uint64_t offset = 0; offset < after.length;) {
    offset = std::min(before_->seek(before, offset, true).value_or(after.length),
                      after_.seek(after, offset, true).value_or(after.length));
    const std::size_t size = before_->read(before, offset, old_part);
    if (after_.read(after, offset, part) != size) return false;
    if (std::memcmp(old_part.data(), part.data(), size) != 0) return false;
    if (size == 0) break;
    progress_.advance({.bytes = size});
    offset += size;
  }
  return true;
}

std::vector<std::string> ImageChanges::kept_names(const File& file) const {
  if (!is_structural_) {
    const auto names = kept_names_.find(file.id);
    return names == kept_names_.end() ? std::vector<std::string>() : names->second;
  }
  if (file.id > before_->file_id_limit()) return {};
  const File before = before_->file(file.id);
  std::vector<std::string> kept;
  std::set<std::pair<std::u16string, FileId>> old_names;
  for (const FileName& name : ImageInternals(*before_).names(before)) {
    old_names.emplace(name.name, name.directory);
  }
  for (const FileName& name : ImageInternals(after_).names(file)) {
    if (!old_names.contains({name.name, name.directory})) continue;
    const auto directory = kept_directory(name.directory);
    if (!directory) continue;
    kept.push_back(*directory + image_to_linux_name(name.name));
  }
  if (!kept.empty() && !same_file(before, file)) return {};
  std::ranges::sort(kept);
  return kept;
}

// The path of the directory `id`, with a `/` at the end, if both images have it there.
std::optional<std::string> ImageChanges::kept_directory(FileId id) const {
  constexpr std::size_t max_depth = max_path_units / 2 + 1;
  std::string path;
  for (std::size_t depth = 0; id != after_.root(); ++depth) {
    if (depth == max_depth || id > before_->file_id_limit()) return std::nullopt;
    const File file = after_.file(id);
    const auto names = ImageInternals(after_).names(file);
    const auto old_names = ImageInternals(*before_).names(before_->file(id));
    if (names.size() != 1 || old_names.size() != 1 || !posix::is_directory(file))
      return std::nullopt;
    if (names[0].name != old_names[0].name || names[0].directory != old_names[0].directory) {
      return std::nullopt;
    }
    path.insert(0, image_to_linux_name(names[0].name) + '/');
    id = names[0].directory;
  }
  return path;
}

}  // namespace cim::transfer
