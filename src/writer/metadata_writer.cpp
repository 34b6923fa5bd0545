#include "writer/metadata_writer.h"

#include <algorithm>
#include <cstring>
#include <map>

#include <cim/error.h>

#include "format/bytes.h"
#include "format/link_table.h"
#include "image/base.h"

namespace cim {

format::RegionOffset MetadataWriter::write(format::RegionOffset upcase_table) {
  if (upcase_table == 0) {
    upcase_table = metadata_.append(std::as_bytes(tree_.order().upcase));
  }
  number_files();
  tree_.adopt_orphans();

  // The extension stream tells where the file table directory is, so it is written last, but its
  // extent must be known before.
  const std::vector<LinkCount> counts = count_links();
  const ByteView count_bytes = std::as_bytes(std::span(counts));
  const std::vector<std::byte> names =
      attribute_names_ ? attribute_names_->encode() : std::vector<std::byte>();
  const std::uint64_t length = sizeof(ExtensionHeader) + count_bytes.size() + names.size();
  const Stream extension = {.region_offset = small_data_.reserve(length), .length = length};
  tree_.named_streams(tree_.root())
      .insert_or_assign(std::u16string(extension_stream), encode_stream(extension));
  tree_.root().changed = true;
  for (Node* node : new_nodes_) write_stream_table(*node);
  for (const auto& [id, node] : tree_.base_nodes()) write_stream_table(*node);

  const std::vector<format::FileTableDirectoryEntry> tables = write_file_tables();
  const format::RegionOffset directory = metadata_.append(std::as_bytes(std::span(tables)));
  const ExtensionHeader header = {
      .file_table_directory = directory,
      .first_own_file = first_own_file(),
      .link_counts = static_cast<std::uint32_t>(counts.size()),
  };
  std::uint64_t position = format::byte_offset(extension.region_offset);
  for (const ByteView part : {format::bytes_of(header), count_bytes, ByteView(names)}) {
    small_data_.write_at(position, part);
    position += part.size();
  }
  const format::Filesystem filesystem = {
      .upcase_table = upcase_table,
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
    number_entries(directory, pending);
    write_link_table(directory);
  }
}

// Gives ids to the new entries of `directory`, and adds the directories among them to `pending`.
void MetadataWriter::number_entries(Node& directory, std::vector<Node*>& pending) {
  if (!directory.entries) return;
  const std::size_t first_pending = pending.size();
  for (const auto& [name, node] : *directory.entries) {
    if (node == nullptr || node->id != 0) continue;
    if (new_nodes_.size() >= UINT32_MAX - first_new_id_) {
      throw Error(Errc::limit_exceeded, "an image can hold no more files");
    }
    node->id = first_new_id_ + static_cast<FileId>(new_nodes_.size());
    node->record.parent = directory.id;
    new_nodes_.push_back(node);
    if (node->is_directory()) pending.push_back(node);
  }
  std::reverse(pending.begin() + static_cast<std::ptrdiff_t>(first_pending), pending.end());
}

void MetadataWriter::write_link_table(Node& directory) {
  format::LinkTableBuilder table(sizeof(FileId));
  tree_.for_each_entry(directory, [&](const TreeEntry& entry) {
    const FileId id = entry.node != nullptr ? entry.node->id : entry.id;
    table.add(entry.name, format::bytes_of(id));
  });
  Stream stream = {.type = StreamType::link_table};
  if (table.size() > 0) {
    const std::vector<std::byte> bytes = table.finish();
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

std::vector<LinkCount> MetadataWriter::count_links() const {
  std::vector<LinkCount> counts;
  const auto& base_nodes = tree_.base_nodes();
  const auto add = [&](const Node& node) {
    const std::uint32_t common = node.is_directory() ? 2 : 1;
    if (node.alive && node.links != common) counts.push_back({node.id, node.links});
  };
  if (tree_.base() != nullptr) {
    std::ranges::copy_if(tree_.base()->link_counts(), std::back_inserter(counts),
                         [&](const LinkCount& count) { return !base_nodes.contains(count.id); });
  }
  for (const auto& [id, node] : base_nodes) add(*node);
  std::ranges::sort(counts, {}, &LinkCount::id);
  for (const Node* node : new_nodes_) add(*node);  // in order, and past all others
  return counts;
}

FileId MetadataWriter::first_own_file() const {
  if (tree_.base() == nullptr || is_fork_) return first_new_id_;
  return BaseImage(*tree_.base()).first_own_file().value_or(first_new_id_);
}

std::vector<format::FileTableDirectoryEntry> MetadataWriter::write_file_tables() {
  const auto table_of = [](FileId id) { return (id - 1) / format::files_per_table; };
  std::map<std::uint32_t, std::vector<const Node*>> changes;  // by table
  for (const auto& [id, node] : tree_.base_nodes()) {
    if (node->alive && node->changed) changes[table_of(id)].push_back(node);
  }
  for (const Node* node : new_nodes_) changes[table_of(node->id)].push_back(node);

  std::vector<format::FileTableDirectoryEntry> directory;
  const std::optional<BaseImage> base =
      tree_.base() != nullptr ? std::optional(BaseImage(*tree_.base())) : std::nullopt;
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
