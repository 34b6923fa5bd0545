// The tree of files of an image being written: the changes, over the base image.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <memory_resource>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include <cim/image.h>

#include "format/layout.h"
#include "format/upcase.h"
#include "image/internals.h"

namespace cim {

struct Node;

// The order of names in link tables, under one upcase table.
struct NameOrder {
  std::span<const char16_t> upcase;

  using is_transparent = void;
  bool operator()(std::u16string_view a, std::u16string_view b) const noexcept {
    return format::compare_names(a, b, upcase) < 0;
  }
};

// How the entries of a directory differ from those in the base image. A null node: removed.
using EntryChanges = std::pmr::map<std::pmr::u16string, Node*, NameOrder>;
using StreamMap = std::map<std::u16string, format::Stream, NameOrder>;

// A file or directory that is new, or was loaded on the way to something new.
struct Node {
  format::File record = {};
  FileId id = 0;                              // 0 until a new file gets one at commit
  std::uint32_t links = 0;                    // st_nlink; a directory starts with 2
  bool in_base = false;                       // has an id of the base image
  bool changed = true;                        // the record differs from the base image's
  bool names_changed = false;                 // is in the base image, and has gained or lost a name
  bool alive = true;                          // can be reached from the root
  bool created = false;                       // a directory of the base image, created once more
  bool hides_below = false;                   // a new tombstone, or a directory in its place
  const std::pmr::u16string* name = nullptr;  // of a new file, from commit on: one of its names
  EntryChanges* entries = nullptr;            // of a directory; null until something changes
  std::unique_ptr<StreamMap> named_streams;   // all of them; null until looked at

  bool is_directory() const noexcept;
};

using FileNames = std::unordered_map<const Node*, std::vector<FileName>>;

// A name and the file it leads to. The name is valid until the next entry.
struct TreeEntry {
  std::u16string_view name;
  Node* node;  // null if the entry is as in the base image and not loaded
  FileId id;   // in the base image, where node is null
};

// Nodes live as long as the tree. The tree and its nodes are for one thread at a time.
class Tree {
 public:
  // `base` may be null: the tree then is an empty root directory. Both must outlive the tree.
  Tree(const Image* base, std::span<const char16_t> upcase);
  Tree(const Tree&) = delete;
  Tree& operator=(const Tree&) = delete;

  Node& root() noexcept { return *root_; }
  const Image* base() const noexcept { return base_; }
  NameOrder order() const noexcept { return {upcase_}; }

  // The child `name` of `directory`; null if there is none.
  Node* child(Node& directory, std::u16string_view name);

  // The node that the names lead to from the root; null if one is missing or not a directory.
  Node* find(std::span<const std::u16string_view> names);

  // Whether nothing has been done to an empty tree without a base image.
  bool is_untouched() const noexcept;

  // The node of the file `id` of the base image. Throws Error (corrupt).
  Node& load(FileId id);

  // A new node without a name yet. Its record is that of an empty file or directory.
  Node& create(bool directory);

  // Makes `name` in `directory` lead to `node`, which gains a link. The name must be free.
  void attach(Node& directory, std::u16string_view name, Node& node);

  // Removes `name`, which must be there, from `directory`. Nodes that can no longer be reached are
  // dead. Throws Error (corrupt), as do all below that remove names.
  void detach(Node& directory, std::u16string_view name);

  // Makes `new_name` in `new_directory` lead to what `name`, which must be there, led to in
  // `directory`, with all below it; detaches what is at `new_name`. A directory must not get into
  // itself.
  void move(Node& directory, std::u16string_view name, Node& new_directory,
            std::u16string_view new_name);

  // The same as find() if the base image has that directory at that path; null otherwise.
  Node* find_inherited(std::span<const std::u16string_view> names);

  // Removes `name` from `directory`, one of find_inherited(), if it leads to what the base image
  // has there, but nothing that has been attached or created below it.
  void detach_inherited(Node& directory, std::u16string_view name);

  // The same for all entries of `directory`.
  void detach_inherited_entries(Node& directory);

  // The alternate data streams of `node`, for reading or changing.
  StreamMap& named_streams(Node& node);

  // Calls visit(TreeEntry) for each entry of `directory`, in order. `visit` must not change it.
  template <typename Visit>
  void for_each_entry(const Node& directory, Visit&& visit) const;

  // The live nodes of files of the base image, by id.
  const std::map<FileId, Node*>& base_nodes() const noexcept { return base_nodes_; }

  // The names that the file `node` had in the base image and still has; nothing if the base image
  // does not record the names of its files.
  std::optional<std::vector<FileName>> names_kept(const Node& node) const;

  // All names of each of `files`. Searches all directories. Call it once all new files have ids.
  FileNames find_names(const std::unordered_set<const Node*>& files);

 private:
  EntryChanges& changes_of(Node& directory);
  bool keeps(const FileName& name) const;
  std::optional<FileId> find_in_base(const Node& directory, std::u16string_view name) const;
  Node& unlink(Node& directory, std::u16string_view name);
  static bool is_attached(const Node& directory, std::u16string_view name);
  std::vector<Node*> directories_with_additions(Node& top) const;
  void release(Node& node);

  const Image* base_;
  std::span<const char16_t> upcase_;
  // Of the entries of all nodes, which are freed at once: one by one would take long.
  std::pmr::unsynchronized_pool_resource memory_;
  std::deque<Node> nodes_;
  std::map<FileId, Node*> base_nodes_;
  Node* root_;
};

template <typename Visit>
void Tree::for_each_entry(const Node& directory, Visit&& visit) const {
  static const EntryChanges none{NameOrder{}};
  const EntryChanges& changes = directory.entries ? *directory.entries : none;
  auto change = changes.begin();
  const auto visit_change = [&] {
    if (change->second != nullptr) visit(TreeEntry{change->first, change->second, 0});
    ++change;
  };
  if (directory.in_base) {
    const Directory listing = base_->entries(base_->file(directory.id));
    EntryName name;
    for (std::uint32_t i = 0; i < listing.size(); ++i) {
      const FileId id = base_->entry(listing, i, name);
      std::strong_ordering order = std::strong_ordering::greater;
      while (change != changes.end() &&
             (order = format::compare_names(change->first, name.view(), upcase_)) < 0) {
        visit_change();
      }
      if (change != changes.end() && order == 0) {
        visit_change();
        continue;
      }
      const auto known = base_nodes_.find(id);
      visit(TreeEntry{name.view(), known == base_nodes_.end() ? nullptr : known->second, id});
    }
  }
  while (change != changes.end()) visit_change();
}

}  // namespace cim
