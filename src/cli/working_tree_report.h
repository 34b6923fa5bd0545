// What the commands that change a mounted image say and do alike.
#pragma once

#include <optional>
#include <string>

#include "working/working_tree.h"

namespace cim::cli {

// The name that a commit makes beside `image`, of what the user calls the new image. Throws
// UsageError if that is in another directory.
std::string name_beside(const std::string& image, const std::string& new_image);

// Throws Error (file_exists) if a commit of `image` cannot make the image `name` beside it, since
// there is one: better now than after the work.
void check_target(const std::string& image, const std::string& name);

// Commits `tree`, which is not mounted, as `name`, and removes its changes. If that fails, says
// where they are kept.
void commit_unmounted(working::WorkingTree& tree, const std::string& name);

// Says where the changes of `tree` are kept.
void say_where_kept(working::WorkingTree& tree);

// Removes the changes of `tree`, which is not mounted, if there are none; otherwise says where they
// are kept.
void keep_changes(working::WorkingTree& tree);

}  // namespace cim::cli
