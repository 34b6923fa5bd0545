#include "cli/working_tree_report.h"

#include <cim/error.h>
#include <fmt/format.h>
#include <unistd.h>

#include "cli/command_line.h"
#include "cli/image_name.h"
#include "cli/progress_report.h"
#include "image/canonical_path.h"
#include "program/interruption.h"
#include "program/standard_streams.h"

namespace cim::cli {

std::string name_beside(const std::string& image, const std::string& new_image) {
  const ImageName name(new_image);
  if (new_image.find('/') == std::string::npos) return name.name;
  const std::string directory = ImageName(canonical_path(image)).directory;
  if (canonical_path(name.directory) == directory) return name.name;
  throw UsageError(fmt::format("NEW must be in the directory of its base: {}", directory));
}

void check_target(const std::string& image, const std::string& name) {
  const ImageName own(image);
  const std::string target = own.directory + "/" + name;
  if (name != own.name && access(target.c_str(), F_OK) == 0) {
    throw Error(Errc::file_exists, "exists already").with_image(target);
  }
}

void commit_unmounted(working::WorkingTree& tree, const std::string& name) {
  const DeferredInterruption deferred;
  try {
    ProgressReport report(tree.image(), {});
    tree.commit(name, report);
  } catch (...) {
    say_where_kept(tree);
    throw;
  }
  tree.discard();
}

void say_where_kept(working::WorkingTree& tree) {
  write_line({"the changes are kept in ", tree.changes().path()});
}

void keep_changes(working::WorkingTree& tree) {
  if (tree.has_changes()) return say_where_kept(tree);
  tree.discard();
}

}  // namespace cim::cli
