// The merge links of one of the images that are merged.
#pragma once

#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "writer/tree.h"

namespace cim {

// Collects merge links while an image is laid over those below it, and then makes hard links of
// them. Until then the tree has them as files. For one thread at a time.
class MergeLinks {
 public:
  explicit MergeLinks(Tree& tree) : tree_(tree) {}

  // `node` is a merge link to the image path `target`. Returns whether it is the first one to that.
  bool add_target(const Node& node, std::u16string target);

  // `name` in `directory` leads to `node`, a merge link or not.
  void add_name(Node& directory, std::u16string_view name, const Node& node);

  // Makes each name lead to its target instead. Throws Error: path_not_found, is_a_directory,
  // invalid_argument if a link leads to itself.
  void resolve();

 private:
  struct Name {
    Node* directory;
    std::u16string name;
    const Node* node;
  };

  Node& follow(const Name& name);
  Node& target_of(const Name& name, const std::u16string& path) const;

  // What there is at each path that is a target, once it has been found. Each is kept and looked up
  // once, however many links lead there.
  using Found = std::unordered_map<std::u16string, Node*>;

  Tree& tree_;
  Found found_;
  std::unordered_map<const Node*, Found::value_type*> targets_;
  std::vector<Name> names_;
};

}  // namespace cim
