#include "writer/metadata_writer.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <unordered_set>
#include <utility>

#include <cim/error.h>

#include "format/bytes.h"
#include "format/link_table.h"
#include "image/internals.h"

namespace cim {

namespace {

// The extension stream. Reserves room first; the content follows once the file table directory,
// whose offset it holds, is written.
class ExtensionWriter {
 public:
  ExtensionWriter(RegionWriter& region, const std::vector<LinkCount>& counts,
                  const std::vector<std::byte>& names)
      : region_(region), counts_(static_cast<std::uint32_t>(counts.size())) {
    format::append(rest_, std::as_bytes(std::span(counts)));
    format::append(rest_, names);
    stream_.length = sizeof(ExtensionHeader) + rest_.size();
    stream_.region_offset = region_.reserve(stream_.length);
  }

  const Stream& stream() const noexcept { return stream_; }

  void write(format::RegionOffset file_table_directory, FileId first_own_file,
             ObjectIndex& objects) {
    const ExtensionHeader header = {.file_table_directory = file_table_directory,
                                    .first_own_file = first_own_file,
                                    .link_counts = counts_};
    std::vector<std::byte> content;
    format::append(content, format::bytes_of(header));
    format::append(content, rest_);
    region_.write_at(format::byte_offset(stream_.region_offset), content);
    objects.add({content.size(), object_digest(content)}, stream_.region_offset);
  }

 private:
  RegionWriter& region_;
  std::uint32_t counts_;
  std::vector<std::byte> rest_;  // what follows the header
  Stream stream_;
};

}  // namespace

void MetadataWriter::write_directories(format::RegionOffset upcase_table) {
  upcase_table_ =
      upcase_table != 0 ? upcase_table : metadata_.append(std::as_bytes(tree_.order().upcase));
  number_files();
  for (Node* directory : changed_directories_) write_link_table(*directory);
}

format::RegionOffset MetadataWriter::write_files() {
  std::optional<ExtensionWriter> extension;
  if (needs_extension()) {
    extension.emplace(regions_.region(RegionType::small_data, 0), count_links(),
                      attribute_names_ ? attribute_names_->encode() : std::vector<std::byte>());
    tree_.named_streams(tree_.root())
        .insert_or_assign(std::u16string(extension_stream), encode_stream(extension->stream()));
    tree_.root().changed = true;
  }
  for (Node* node : new_nodes_) write_stream_table(*node);
  for (const auto& [id, node] : tree_.base_nodes()) write_stream_table(*node);
  write_name_tables();

  const std::vector<format::FileTableDirectoryEntry> tables = write_file_tables();
  const format::RegionOffset directory = metadata_.append(std::as_bytes(std::span(tables)));
  if (extension) extension->write(directory, first_own_file(), data_objects_);
  const format::Filesystem filesystem = {
      .upcase_table = upcase_table_,
      .file_table_directory = directory,
      .file_table_directory_length = static_cast<std::uint32_t>(tables.size()),
      .root_directory = tree_.root().id,
  };
  return metadata_.append(format::bytes_of(filesystem));
}

void MetadataWriter::number_files() {
  if (tree_.base() != nullptr) first_new_id_ = tree_.base()->file_id_limit() + 1;
  std::vector<Node*> pending;
  if (!tree_.root().in_base) {
    tree_.root().id = first_new_id_;
    tree_.root().record.parent = tree_.root().id;
    new_nodes_.push_back(&tree_.root());
    pending.push_back(&tree_.root());
  }
  const auto& base_nodes = tree_.base_nodes();
  for (auto entry = base_nodes.rbegin(); entry != base_nodes.rend(); ++entry) {
    if (entry->second->alive && entry->second->entries) pending.push_back(entry->second);
  }
  while (!pending.empty()) {
    Node& directory = *pending.back();
    pending.pop_back();
    number_directories(directory, pending);
    changed_directories_.push_back(&directory);
  }
  for (Node* directory : changed_directories_) number_other_files(*directory);
}

// Gives ids to the new directories in `directory`, and adds them to `pending`.
void MetadataWriter::number_directories(Node& directory, std::vector<Node*>& pending) {
  if (!directory.entries) return;
  const std::size_t first_pending = pending.size();
  for (const auto& [name, node] : *directory.entries) {
    if (node == nullptr || node->id != 0 || !node->is_directory()) continue;
    number_file(*node, name, directory);
    pending.push_back(node);
  }
  std::reverse(pending.begin() + static_cast<std::ptrdiff_t>(first_pending), pending.end());
}

// Gives ids to the other new files in `directory`, and notes the further names of those that have
// one.
void MetadataWriter::number_other_files(const Node& directory) {
  if (!directory.entries) return;
  for (const auto& [name, node] : *directory.entries) {
    if (node == nullptr || node->name == &name) continue;
    if (node->id == 0) {
      number_file(*node, name, directory);
    } else {
      further_names_[node].push_back({std::u16string(name), directory.id});
    }
  }
}

void MetadataWriter::number_file(Node& node, const std::pmr::u16string& name,
                                 const Node& directory) {
  if (new_nodes_.size() >= UINT32_MAX - first_new_id_) {
    throw Error(Errc::limit_exceeded, "an image can hold no more files");
  }
  node.id = first_new_id_ + static_cast<FileId>(new_nodes_.size());
  node.record.parent = directory.id;
  node.name = &name;
  new_nodes_.push_back(&node);
}

void MetadataWriter::write_link_table(Node& directory) {
  format::LinkTableBuilder table(sizeof(FileId));
  tree_.for_each_entry(directory, [&](const TreeEntry& entry) {
    const FileId id = entry.node != nullptr ? entry.node->id : entry.id;
    table.add(entry.name, format::bytes_of(id));
  });
  Stream stream = {.type = StreamType::link_table};
  if (table.size() > 0) {
    const std::vector<std::byte>& bytes = table.finish();
    stream.region_offset = metadata_.append(bytes);
    stream.length = bytes.size();
  }
  directory.record.default_stream = encode_stream(stream);
}

void MetadataWriter::write_stream_table(Node& node) {
  if (!node.alive || !node.changed || !node.named_streams) return;
  format::LinkTableBuilder table(sizeof(format::Stream));
  for (const auto& [name, stream] : *node.named_streams) table.add(name, format::bytes_of(stream));
  node.record.stream_table = table.size() > 0 ? metadata_.append(table.finish()) : 0;
}

void MetadataWriter::write_name_tables() {
  std::unordered_set<const Node*> unknown;
  for (const auto& [id, node] : tree_.base_nodes()) {
    if (!node->alive || !node->names_changed) continue;
    std::optional<std::vector<FileName>> names = tree_.names_kept(*node);
    if (!names) {
      unknown.insert(node);
      continue;
    }
    std::ranges::move(further_names_[node], std::back_inserter(*names));
    write_name_table(*node, *names);
  }
  FileNames found = tree_.find_names(unknown);
  for (const auto& [id, node] : tree_.base_nodes()) {
    if (unknown.contains(node)) write_name_table(*node, found[node]);
  }
  for (Node* node : new_nodes_) write_name_table_of_new(*node);
}

void MetadataWriter::write_name_table_of_new(Node& node) {
  const std::u16string_view name = node.name != nullptr ? std::u16string_view(*node.name) : u".";
  const auto further = further_names_.find(&node);
  if (further != further_names_.end()) {
    further->second.push_back({std::u16string(name), node.record.parent});
    return write_name_table(node, further->second);
  }
  name_table_.add(name, format::bytes_of(node.record.parent));
  node.record.name_table = metadata_.append(name_table_.finish());
}

// Sorts `names`. Makes sure that the record names one of their directories as the parent.
void MetadataWriter::write_name_table(Node& node, std::vector<FileName>& names) {
  if (names.empty()) return;  // a broken base image may count links that do not exist
  const NameOrder order = tree_.order();
  std::ranges::sort(names, [&](const FileName& a, const FileName& b) {
    const auto by_name = format::compare_names(a.name, b.name, order.upcase);
    return std::is_eq(by_name) ? a.directory < b.directory : std::is_lt(by_name);
  });
  for (const FileName& name : names) {
    name_table_.add(name.name, format::bytes_of(name.directory));
  }
  node.record.name_table = metadata_.append(name_table_.finish());
  if (std::ranges::find(names, node.record.parent, &FileName::directory) == names.end()) {
    node.record.parent = names.front().directory;
  }
}

// A small new image needs none: its one file table tells everything.
bool MetadataWriter::needs_extension() const {
  return tree_.base() != nullptr || new_nodes_.size() > format::files_per_table;
}

std::vector<LinkCount> MetadataWriter::count_links() const {
  std::vector<LinkCount> counts;
  const auto& base_nodes = tree_.base_nodes();
  const auto add = [&](const Node& node) {
    if (!node.is_directory() &&
        (!node.in_base || node.record.name_table != 0 || node.names_changed))
      return;
    const std::uint32_t common = node.is_directory() ? 2 : 1;
    if (node.alive && node.links != common) counts.push_back({node.id, node.links});
  };
  if (tree_.base() != nullptr) {
    std::ranges::copy_if(tree_.base()->link_counts(), std::back_inserter(counts),
                         [&](const LinkCount& count) { return !base_nodes.contains(count.id); });
  }
  for (const auto& [id, node] : base_nodes) add(*node);
  std::ranges::sort(counts, {}, &LinkCount::id);
  for (const Node* node : new_nodes_) add(*node);  // in order, and after all others
  return counts;
}

FileId MetadataWriter::first_own_file() const {
  if (tree_.base() == nullptr || is_fork_) return first_new_id_;
  return ImageInternals(*tree_.base()).first_own_file().value_or(first_new_id_);
}

std::vector<format::FileTableDirectoryEntry> MetadataWriter::write_file_tables() {
  const auto table_of = [](FileId id) { return (id - 1) / format::files_per_table; };
  std::map<std::uint32_t, std::vector<const Node*>> changes;  // by table
  for (const auto& [id, node] : tree_.base_nodes()) {
    if (node->alive && node->changed) changes[table_of(id)].push_back(node);
  }
  for (const Node* node : new_nodes_) changes[table_of(node->id)].push_back(node);

  std::vector<format::FileTableDirectoryEntry> directory;
  const std::optional<ImageInternals> base =
      tree_.base() != nullptr ? std::optional(ImageInternals(*tree_.base())) : std::nullopt;
  const std::uint32_t base_tables = base ? base->file_table_count() : 0;
  for (std::uint32_t i = 0; i < base_tables; ++i) directory.push_back(base->file_table(i).entry);
  if (!changes.empty()) {
    directory.resize(std::max<std::size_t>(directory.size(), changes.rbegin()->first + 1));
  }

  for (const auto& [index, nodes] : changes) {
    format::FileTableDirectoryEntry& entry = directory[index];
    const std::size_t base_size = entry.entry_size;
    entry.entry_size = static_cast<std::uint16_t>(std::max(base_size, sizeof(format::File)));
    const std::uint32_t last_slot = (nodes.back()->id - 1) % format::files_per_table;
    const std::uint16_t base_count = entry.count;
    entry.count = std::max<std::uint16_t>(base_count, static_cast<std::uint16_t>(last_slot + 1));

    std::vector<std::byte> records(std::size_t{entry.count} * entry.entry_size);
    if (base_count > 0) {
      const FileTable table = base->file_table(index);
      for (std::size_t slot = 0; slot < base_count; ++slot) {
        std::memcpy(&records[slot * entry.entry_size], &table.records[slot * base_size], base_size);
      }
    }
    for (const Node* node : nodes) {
      const std::size_t slot = (node->id - 1) % format::files_per_table;
      std::memcpy(&records[slot * entry.entry_size], &node->record, sizeof(node->record));
    }
    entry.table = metadata_.append(records);
  }
  return directory;
}

}  // namespace cim
