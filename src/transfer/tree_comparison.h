// What differs between two trees.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "transfer/tree_view.h"

namespace cim::transfer {

class ImageTreeView;

// What can differ between two files of one path. Times are compared at the 100 ns that an image
// keeps; the sizes of directories are not compared, nor anything that Linux does not see.
enum class Aspect {
  type,  // one is a directory, the other a regular file, ...; other aspects are then not compared
  content,  // of regular files, size included
  target,   // of symbolic links
  device,   // number, of device nodes
  mode,     // permissions, but of symbolic links, which have none
  owner,    // user or group
  time,     // of the last modification
  xattrs,
  links,  // which of the paths that both trees have are hard links to the same file
};

struct Difference {
  enum class Kind { added, removed, changed };

  Kind kind;
  std::string path;             // as TreeView::path()
  std::vector<Aspect> aspects;  // of what has changed, in the order of Aspect; not empty
};

// Walks an old and a new tree side by side. Memory is needed for the directories on the way down
// and for the files with several names, not for the trees and not for data.
//
// Files of two images that share them, as a fork and its parent do, are not read. It and the trees
// are for one thread at a time.
class TreeComparison {
 public:
  // The trees have not been walked; they must outlive the comparison.
  TreeComparison(TreeView& old_tree, TreeView& new_tree);

  // The next path that is in one tree only or differs, in the order of TreeView: everything below a
  // directory that was added or removed, too. Nothing after the last. Throws Error as the trees do.
  std::optional<Difference> next();

 private:
  // A tree and how far it has been walked.
  struct Side {
    explicit Side(TreeView& walked_tree);
    void advance();
    std::string first_name();

    TreeView& tree;
    const ImageTreeView* image;  // the tree, if it is one of an image
    bool moved_past = true;      // the current file is dealt with
    bool at_end = false;
    std::map<std::pair<dev_t, ino_t>, std::string> first_names;  // of files with several
  };

  int compare_paths() const;
  std::vector<Aspect> changed_aspects();
  std::vector<Aspect> changed_attributes();
  bool same_content(const struct stat& before, const struct stat& after);
  bool shares_record() const;
  bool shares_data() const;

  Side old_;
  Side new_;
  std::vector<std::byte> old_buffer_;
  std::vector<std::byte> new_buffer_;

  // How many region files both trees, if they are images, start with: equal offsets in these mean
  // the same bytes.
  std::size_t shared_regions_ = 0;
};

}  // namespace cim::transfer
