#include "writer/merge_links.h"

#include <utility>

#include <cim/error.h>
#include <fmt/format.h>

#include "writer/path.h"

namespace cim {

bool MergeLinks::add_target(const Node& node, std::u16string target) {
  const auto [found, is_first] = found_.emplace(std::move(target), nullptr);
  targets_.emplace(&node, &*found);
  return is_first;
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

// What is found holds for all links on the way there.
Node& MergeLinks::follow(const Name& name) {
  std::vector<Found::value_type*> way;
  Node* end = nullptr;
  for (const Node* link = name.node; end == nullptr;) {
    Found::value_type& target = *targets_.at(link);
    if (way.size() == found_.size()) {
      throw Error(Errc::invalid_argument, "is a merge link that leads to itself")
          .with_path(image_to_linux_name(name.name));
    }
    way.push_back(&target);
    Node* const next = target.second != nullptr ? target.second : &target_of(name, target.first);
    if (!targets_.contains(next)) end = next;
    link = next;
  }
  for (Found::value_type* const target : way) target->second = end;
  return *end;
}

// What is at `path`, to which `name` leads, perhaps through other links.
Node& MergeLinks::target_of(const Name& name, const std::u16string& path) const {
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
  return *target;
}

}  // namespace cim
