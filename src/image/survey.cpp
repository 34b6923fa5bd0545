// What only a look at all files of an image tells, where no record tells it: how many names a file
// has, which directory holds it, what extended attributes there are.
#include <algorithm>
#include <array>
#include <cstring>
#include <unordered_set>

#include "image/image_impl.h"
#include "image/metadata_tally.h"

namespace cim {

namespace {

// The most files whose extended attributes are searched for names: 27 MB of records.
constexpr FileId max_files_looked_through = 256 * format::files_per_table;

}  // namespace

// Calls visit(File) for each record of the file tables that can be decoded.
template <typename Visit>
void Image::Impl::for_each_record(Visit&& visit) const {
  for (FileId id = 1; id <= file_id_limit; ++id) {
    std::optional<File> record;
    try {
      record = file(id);
    } catch (const Error&) {  // reading it reports this
      continue;
    }
    visit(*record);
    if (id == UINT32_MAX) return;
  }
}

// Whether all records have room for the offset of a name table.
bool Image::Impl::has_name_tables() const {
  for (std::uint32_t i = 0; i < filesystem.file_table_directory_length; ++i) {
    if (file_table_entry(i).entry_size < sizeof(format::File)) return false;
  }
  return true;
}

// The first directory in the name table of `file`, if it has the file under that name; otherwise 0.
// A removed directory may still have a record.
FileId Image::Impl::directory_by_name_table(const File& file) const {
  const format::LinkTable names = name_table(file);
  if (names.size() == 0) return 0;
  std::array<char16_t, max_name_units> units;
  const std::u16string_view name(units.data(), names.name(0, units.data()));
  const auto id = names.value<FileId>(0);
  const format::LinkTable entries = link_table(this->file(id));
  const std::optional<std::uint32_t> entry = entries.find(name, upcase);
  return entry && entries.value<FileId>(*entry) == file.id ? id : 0;
}

// The link counts of directories, from the names of their subdirectories; nothing if a record has
// no name table, as it may be that of a file with several names.
std::optional<std::vector<LinkCount>> Image::Impl::counted_subdirectories() const {
  if (!has_name_tables()) return std::nullopt;
  std::vector<std::uint32_t> subdirectories(std::size_t{file_id_limit} + 1);
  bool complete = true;
  for_each_record([&](const File& record) {
    if (record.id == filesystem.root_directory) return;
    if (record.name_table_offset == 0) complete = false;
    if (!record.is_directory()) return;
    try {
      ++subdirectories[directory_by_name_table(record)];
    } catch (const Error&) {
    }
  });
  if (!complete) return std::nullopt;
  std::vector<LinkCount> counts;
  for (FileId id = 1; id < subdirectories.size(); ++id) {
    if (subdirectories[id] > 0) counts.push_back({id, 2 + subdirectories[id]});
  }
  return counts;
}

const Walk& Image::Impl::walked(const Image& image) const {
  std::call_once(walk_once, [&] { walk = walk_all(image); });
  return walk;
}

// Directories that break the format count as empty: reading them reports it.
Walk Image::Impl::walk_all(const Image& image) const {
  image.read_metadata_ahead();
  MetadataTally tally(image);
  Walk found;
  found.parents.resize(std::size_t{file_id_limit} + 1);
  found.parents[filesystem.root_directory] = filesystem.root_directory;
  std::vector<FileId> names;  // the file of each name in the image
  std::vector<FileId> pending = {filesystem.root_directory};
  std::array<char16_t, max_name_units> name;
  while (!pending.empty()) {
    const FileId id = pending.back();
    pending.pop_back();
    std::uint32_t subdirectories = 0;
    try {
      const format::LinkTable table = link_table(file(id));
      for (std::uint32_t i = 0; i < table.size(); ++i) {
        // Either ends the walk of a table that claims entries it does not have.
        tally.add_entry({name.data(), table.name(i, name.data())});
        const auto child = table.value<FileId>(i);
        const bool is_directory = file(child).is_directory();
        const bool is_new = found.parents[child] == 0;
        if (is_new) found.parents[child] = id;
        if (!is_directory) {
          names.push_back(child);
        } else {
          ++subdirectories;
          if (is_new) pending.push_back(child);
        }
      }
    } catch (const Error&) {
    }
    if (subdirectories > 0) found.link_counts.push_back({id, 2 + subdirectories});
  }
  std::ranges::sort(names);
  for (auto first = names.begin(); first != names.end();) {
    const auto last = std::upper_bound(first, names.end(), *first);
    const auto count = static_cast<std::uint32_t>(last - first);
    if (count > 1) found.link_counts.push_back({*first, count});
    first = last;
  }
  std::ranges::sort(found.link_counts, {}, &LinkCount::id);
  return found;
}

const std::vector<LinkCount>& Image::Impl::all_link_counts(const Image& image) const {
  std::call_once(link_counts_once, [&] {
    std::optional<std::vector<LinkCount>> counts;
    try {
      counts = recorded_link_counts(image);
    } catch (const Error&) {  // broken ones are no better than none
    }
    if (!counts) counts = counted_subdirectories();
    link_counts = counts ? std::move(*counts) : walked(image).link_counts;
  });
  return link_counts;
}

std::uint32_t Image::link_count(const File& file) const {
  if (!file.is_directory() && file.name_table_offset != 0) return impl_->name_table(file).size();
  const std::span<const LinkCount> counts = link_counts();
  const auto found = std::ranges::lower_bound(counts, file.id, {}, &LinkCount::id);
  if (found != counts.end() && found->id == file.id) return found->count;
  return file.is_directory() ? 2 : 1;
}

std::span<const LinkCount> Image::link_counts() const { return impl_->all_link_counts(*this); }

FileId Image::parent(const File& file) const {
  if (file.id == root()) return root();
  if (file.parent != 0) return file.parent;
  if (file.name_table_offset != 0) {
    const format::LinkTable names = impl_->name_table(file);
    if (names.size() > 0) return names.value<FileId>(0);
  }
  return impl_->walked(*this).parents.at(file.id);
}

std::vector<FileName> ImageInternals::names(const File& file) const {
  const format::LinkTable table = image_.impl_->name_table(file);
  return image_.impl_->within(
      [&] {
        std::vector<FileName> names;
        format::NameBudget budget(table, sizeof(FileId));
        std::array<char16_t, max_name_units> units;
        for (std::uint32_t i = 0; i < table.size(); ++i) {
          const std::size_t size = table.name(i, units.data());
          budget.add_entry(size);
          names.push_back({{units.data(), size}, table.value<FileId>(i)});
        }
        return names;
      },
      "names of file {}", file.id);
}

std::vector<FileId> Image::files_of_last_fork() const {
  const std::optional<FileId> first = ImageInternals(*this).first_own_file();
  if (!first) {
    throw Error(Errc::unsupported, "does not record what its last fork added").with_image(path());
  }
  std::unordered_set<FileId> ids = {root()};
  for (std::uint64_t own = std::max<FileId>(*first, 1); own <= file_id_limit(); ++own) {
    // If a directory is there already, so are its ancestors: each is met once.
    auto id = static_cast<FileId>(own);
    while (id != 0 && ids.insert(id).second) id = parent(file(id));
  }
  std::vector<FileId> sorted(ids.begin(), ids.end());
  std::ranges::sort(sorted);
  return sorted;
}

// Equal lists are mostly the same object, which is searched once.
AttributeNames Image::Impl::collected_attribute_names(const Image& image) const {
  image.read_metadata_ahead();
  AttributeNames names;
  MetadataTally tally(image);
  std::unordered_set<format::RegionOffset> seen;
  for_each_record([&](const File& record) {
    if (record.extended_attributes_length == 0) return;
    if (!seen.insert(record.extended_attributes_offset).second) return;
    tally.add_part_of_file(record.extended_attributes_length);
    names.add(image.extended_attributes(record));
  });
  return names;
}

std::optional<AttributeNames> ImageInternals::attribute_names() const {
  try {
    if (auto recorded = image_.impl_->recorded_attribute_names(image_)) return recorded;
    if (image_.file_id_limit() > max_files_looked_through) return std::nullopt;
    return image_.impl_->collected_attribute_names(image_);
  } catch (const Error&) {  // nothing is known of an image that is broken
    return std::nullopt;
  }
}

}  // namespace cim
