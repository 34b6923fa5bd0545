#include "writer/merge_links.h"

#include <utility>

#include <cim/error.h>
#include <fmt/format.h>

#include "writer/path.h"

namespace cim {

void MergeLinks::add_target(const Node& node, std::u16string target) {
  targets_.emplace(&node, std::move(target));
}

void MergeLinks::add_name(Node& directory, std::u16string_view name, const Node& node) {
  if (targets_.contains(&node)) names_.push_back({&directory, std::u16string(name), &node});
}

// The targets of all links are looked up before one is replaced: one may lead to another.
void MergeLinks::resolve() {
  std::vector<Node*> targets;
  targets.reserve(names_.size());
  for (const Name& name : names_) targets.push_back(&follow(name));
  for (std::size_t i = 0; i < names_.size(); ++i) {
    Node& directory = *names_[i].directory;
    tree_.detach(directory, names_[i].name);
    tree_.attach(directory, names_[i].name, *targets[i]);
  }
}

Node& MergeLinks::follow(const Name& name) const {
  const Node* link = name.node;
  for (std::size_t steps = 0; steps < targets_.size(); ++steps) {
    const std::u16string& path = targets_.at(link);
    const auto failure = [&](Errc code, const char* reason) {
      return Error(code, fmt::format(fmt::runtime(reason), image_to_linux_name(name.name)))
          .with_path(image_to_linux_path(path));
    };
    Node* const target = tree_.find(split_path(path));
    if (target == nullptr) {
      throw failure(Errc::path_not_found,
                    "the merge link '{}' leads here, but no image that is merged has it");
    }
    if (target->is_directory()) {
      throw failure(Errc::is_a_directory, "is a directory, but the merge link '{}' leads to it");
    }
    if (!targets_.contains(target)) return *target;
    link = target;
  }
  throw Error(Errc::invalid_argument, "is a merge link that leads to itself")
      .with_path(image_to_linux_name(name.name));
}

}  // namespace cim
