#include "writer/tree.h"

#include <algorithm>
#include <unordered_set>

#include <cim/error.h>
#include <fmt/format.h>

#include "image/metadata_tally.h"

namespace cim {

namespace {

// Where `name` is among `entries`, or would be. Names mostly come in order, each after the last.
EntryChanges::iterator find_place(EntryChanges& entries, std::u16string_view name) {
  const NameOrder order = entries.key_comp();
  if (entries.empty() || order(entries.rbegin()->first, name)) return entries.end();
  return entries.lower_bound(name);
}

bool is_at(const EntryChanges& entries, EntryChanges::const_iterator place,
           std::u16string_view name) {
  return place != entries.end() && !entries.key_comp()(name, place->first);
}

}  // namespace

bool Node::is_directory() const noexcept {
  return decode_stream(record.default_stream).type == StreamType::link_table;
}

Tree::Tree(const Image* base, std::span<const char16_t> upcase) : base_(base), upcase_(upcase) {
  if (base_ != nullptr) {
    root_ = &load(base_->root());
  } else {
    root_ = &create(true);
  }
}

Node& Tree::create(bool directory) {
  Node& node = nodes_.emplace_back();
  if (directory) {
    node.record.default_stream = encode_stream({.type = StreamType::link_table});
    node.links = 2;
  }
  return node;
}

bool Tree::is_untouched() const noexcept {
  return base_ == nullptr && nodes_.size() == 1 && !root_->created && !root_->named_streams;
}

Node& Tree::load(FileId id) {
  const auto known = base_nodes_.find(id);
  if (known != base_nodes_.end()) return *known->second;
  const File file = base_->file(id);
  const std::uint32_t links = base_->link_count(file);
  Node& node = nodes_.emplace_back();
  node.record = encode_file(file);
  node.id = id;
  node.links = links;
  node.in_base = true;
  node.changed = false;
  base_nodes_.emplace(id, &node);
  return node;
}

EntryChanges& Tree::changes_of(Node& directory) {
  if (directory.entries == nullptr) {
    directory.entries =
        std::pmr::polymorphic_allocator<>(&memory_).new_object<EntryChanges>(order());
  }
  return *directory.entries;
}

std::optional<FileId> Tree::find_in_base(const Node& directory, std::u16string_view name) const {
  if (!directory.in_base) return std::nullopt;
  return base_->find(base_->file(directory.id), name);
}

Node* Tree::child(Node& directory, std::u16string_view name) {
  if (directory.entries) {
    const auto change = find_place(*directory.entries, name);
    if (is_at(*directory.entries, change, name)) return change->second;
  }
  const std::optional<FileId> id = find_in_base(directory, name);
  return id ? &load(*id) : nullptr;
}

Node* Tree::find(std::span<const std::u16string_view> names) {
  Node* node = root_;
  for (const std::u16string_view name : names) {
    if (!node->is_directory()) return nullptr;
    node = child(*node, name);
    if (node == nullptr) return nullptr;
  }
  return node;
}

void Tree::attach(Node& directory, std::u16string_view name, Node& node) {
  EntryChanges& entries = changes_of(directory);
  auto place = find_place(entries, name);
  if (is_at(entries, place, name)) place = entries.erase(place);
  entries.emplace_hint(place, name, &node);
  directory.changed = true;
  if (node.is_directory()) {
    ++directory.links;
  } else {
    ++node.links;
  }
  if (node.in_base) node.names_changed = node.changed = true;
}

void Tree::detach(Node& directory, std::u16string_view name) { release(unlink(directory, name)); }

void Tree::move(Node& directory, std::u16string_view name, Node& new_directory,
                std::u16string_view new_name) {
  Node& node = unlink(directory, name);
  if (child(new_directory, new_name) != nullptr) detach(new_directory, new_name);
  attach(new_directory, new_name, node);
  if (!node.is_directory()) --node.links;  // only now: other names may just have been detached
}

// Removes `name`, which must be there, from `directory`, but counts a file's links as before. In a
// broken base image, a name that was listed cannot always be found.
Node& Tree::unlink(Node& directory, std::u16string_view name) {
  Node* const found = child(directory, name);
  if (found == nullptr) {
    throw Error(Errc::corrupt, "out of order, or the same name twice")
        .with_image(base_->path())
        .with_object(fmt::format("directory {}", directory.id));
  }
  Node& node = *found;
  EntryChanges& entries = changes_of(directory);
  const auto change = entries.find(name);
  if (find_in_base(directory, name)) {
    entries.insert_or_assign(std::pmr::u16string(name), nullptr);
  } else {
    entries.erase(change);
  }
  directory.changed = true;
  if (node.is_directory()) --directory.links;
  return node;
}

Node* Tree::find_inherited(std::span<const std::u16string_view> names) {
  Node* node = root_;
  for (const std::u16string_view name : names) {
    if (!node->is_directory() || is_attached(*node, name)) return nullptr;
    node = child(*node, name);
    if (node == nullptr) return nullptr;
  }
  return node->is_directory() ? node : nullptr;
}

void Tree::detach_inherited(Node& directory, std::u16string_view name) {
  if (is_attached(directory, name)) return;
  Node* const inherited = child(directory, name);
  if (inherited == nullptr) return;
  if (inherited->is_directory() && !directories_with_additions(*inherited).empty()) {
    detach_inherited_entries(*inherited);
  } else {
    detach(directory, name);
  }
}

void Tree::detach_inherited_entries(Node& directory) {
  std::vector<Node*> stay = directories_with_additions(directory);
  if (stay.empty()) stay.push_back(&directory);
  const std::unordered_set<const Node*> staying(stay.begin(), stay.end());
  for (Node* const changed : stay) {
    std::vector<std::u16string> names;
    for_each_entry(*changed, [&](const TreeEntry& entry) {
      if (is_attached(*changed, entry.name) || staying.contains(entry.node)) return;
      names.emplace_back(entry.name);
    });
    for (const std::u16string& name : names) detach(*changed, name);
  }
}

// `top` and those directories below it where something was attached or created, or further below.
// A tree can be too deep for recursion, and in a broken base image a directory can hold itself.
std::vector<Node*> Tree::directories_with_additions(Node& top) const {
  struct Visited {
    Node* directory;
    std::size_t parent;  // its index
    bool has_additions;
  };
  std::vector<Visited> visited = {{&top, 0, top.created}};
  std::unordered_set<const Node*> seen = {&top};
  for (std::size_t index = 0; index < visited.size(); ++index) {
    const Node& directory = *visited[index].directory;
    for_each_entry(directory, [&](const TreeEntry& entry) {
      if (is_attached(directory, entry.name)) {
        visited[index].has_additions = true;
      } else if (entry.node != nullptr && entry.node->is_directory() &&
                 seen.insert(entry.node).second) {
        visited.push_back({entry.node, index, entry.node->created});
      }
    });
  }
  std::vector<Node*> found;
  for (auto last = visited.rbegin(); last != visited.rend(); ++last) {
    if (!last->has_additions) continue;
    visited[last->parent].has_additions = true;
    found.push_back(last->directory);
  }
  return found;
}

bool Tree::is_attached(const Node& directory, std::u16string_view name) {
  return directory.entries != nullptr && directory.entries->contains(name);
}

// Removes a link to `node`, and with the last link everything below it.
void Tree::release(Node& node) {
  std::vector<Node*> dead_directories;
  const auto drop_link = [&](Node& to) {
    if (!to.alive) return;
    if (!to.is_directory() && --to.links > 0) {
      if (to.in_base) to.names_changed = to.changed = true;
      return;
    }
    to.alive = false;
    if (to.is_directory()) dead_directories.push_back(&to);
  };
  drop_link(node);
  while (!dead_directories.empty()) {
    Node& dead = *dead_directories.back();
    dead_directories.pop_back();
    std::vector<Node*> children;
    for_each_entry(dead, [&](const TreeEntry& entry) {
      if (entry.node != nullptr) {
        children.push_back(entry.node);
        return;
      }
      // A plain file of the base image with no other name can be forgotten without a node.
      const File file = base_->file(entry.id);
      if (file.is_directory() || base_->link_count(file) > 1) children.push_back(&load(entry.id));
    });
    for (Node* child : children) drop_link(*child);
    if (dead.entries != nullptr) {
      std::pmr::polymorphic_allocator<>(&memory_).delete_object(dead.entries);
      dead.entries = nullptr;
    }
  }
}

StreamMap& Tree::named_streams(Node& node) {
  if (!node.named_streams) {
    node.named_streams = std::make_unique<StreamMap>(order());
    if (node.in_base) {
      for (const NamedStream& stream : base_->named_streams(base_->file(node.id))) {
        node.named_streams->emplace(stream.name, encode_stream(stream.stream));
      }
    }
  }
  return *node.named_streams;
}

std::optional<std::vector<FileName>> Tree::names_kept(const Node& node) const {
  std::vector<FileName> names = ImageInternals(*base_).names(base_->file(node.id));
  if (names.empty()) return std::nullopt;
  std::erase_if(names, [&](const FileName& name) { return !keeps(name); });
  return names;
}

// Whether a name that a file has in the base image is still there. Removed and changed directories
// have nodes.
bool Tree::keeps(const FileName& name) const {
  const auto known = base_nodes_.find(name.directory);
  if (known == base_nodes_.end()) return true;
  const Node& directory = *known->second;
  return directory.alive && !(directory.entries && directory.entries->contains(name.name));
}

FileNames Tree::find_names(const std::unordered_set<const Node*>& files) {
  FileNames names;
  if (files.empty()) return names;
  std::vector<Node*> pending = {root_};
  std::unordered_set<const Node*> seen = {root_};
  MetadataTally tally(*base_);
  while (!pending.empty()) {
    const Node& directory = *pending.back();
    pending.pop_back();
    std::vector<FileId> unknown;
    for_each_entry(directory, [&](const TreeEntry& entry) {
      if (!is_attached(directory, entry.name)) tally.add_entry(entry.name);
      if (entry.node == nullptr) {
        if (base_->file(entry.id).is_directory()) unknown.push_back(entry.id);
        return;
      }
      if (files.contains(entry.node)) {
        names[entry.node].push_back({std::u16string(entry.name), directory.id});
      }
      if (entry.node->is_directory() && seen.insert(entry.node).second) {
        pending.push_back(entry.node);
      }
    });
    for (const FileId id : unknown) {
      Node& node = load(id);
      if (seen.insert(&node).second) pending.push_back(&node);
    }
  }
  return names;
}

}  // namespace cim
