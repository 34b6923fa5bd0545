// A tree of files, in an image or on disk.
#include "transfer/tree_view.h"

#include <cerrno>

#include <cim/error.h>

#include "transfer/directory_tree_view.h"
#include "transfer/image_tree_view.h"

namespace cim::transfer {

std::unique_ptr<TreeView> open_tree(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) throw system_error(errno, path);
  if (S_ISREG(status.st_mode)) return std::make_unique<ImageTreeView>(path);
  if (S_ISDIR(status.st_mode)) return std::make_unique<DirectoryTreeView>(path);
  throw Error(Errc::not_a_directory, "is neither an image nor a directory").with_path(path);
}

}  // namespace cim::transfer
