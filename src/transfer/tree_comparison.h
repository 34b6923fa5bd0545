// What differs between two trees.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "transfer/progress.h"
#include "transfer/shared_regions.h"
#include "transfer/tree_view.h"

namespace cim::transfer {

class ImageTreeView;

// The ways in which two files of one path can differ. Times are compared at the 100 ns that an
// image keeps; sizes of directories, and anything that Linux does not see, are not compared.
enum class Aspect {
  type,     // directory, regular file, ...; if it differs, no other aspect is compared
  content,  // of regular files, size included
  target,   // of symbolic links
  device,   // number, of device nodes
  mode,     // permissions; symbolic links have none
  owner,    // user or group
  time,     // of the last modification
  xattrs,
  links,  // which of the paths that both trees have are hard links to the same file
};

struct Difference {
  enum class Kind { added, removed, changed };

  Kind kind;
  std::string path;             // as TreeView::path()
  std::vector<Aspect> aspects;  // what has changed, in the order of Aspect; not empty
};

// Walks an old and a new tree side by side. Memory is needed for the directories on the way down
// and for files with several names, not for the trees or for data.
//
// Does not read files that two images share, as a fork and its parent do. The comparison and the
// trees are for one thread at a time.
class TreeComparison {
 public:
  // The trees must not have been walked yet, and must outlive the comparison, as must `progress`,
  // which is told of the files and bytes that have been compared; null: nobody is.
  TreeComparison(TreeView& old_tree, TreeView& new_tree, Progress* progress = nullptr);

  // The next path that differs or is in only one tree, in the order of TreeView. That includes
  // everything below an added or removed directory. Nothing after the last. Throws Error as the
  // trees do.
  std::optional<Difference> next();

 private:
  // A tree and how far it has been walked.
  struct Side {
    explicit Side(TreeView& walked_tree);
    void advance();
    std::string first_name();

    TreeView& tree;
    const ImageTreeView* image;  // the tree, if it is an image's
    bool moved_past = true;      // the current file is done
    bool at_end = false;
    std::map<std::pair<dev_t, ino_t>, std::string> first_names;  // of files with several names
  };

  int compare_paths() const;
  std::vector<Aspect> changed_aspects();
  std::vector<Aspect> changed_attributes();
  bool same_content(const struct stat& before, const struct stat& after);
  bool shares_record() const;
  bool shares_data() const;
  void advance(const Amount& step) const;

  Progress* const progress_;
  Side old_;
  Side new_;
  std::vector<std::byte> old_buffer_;
  std::vector<std::byte> new_buffer_;

  SharedRegions shared_;  // of the trees, if they are images
};

}  // namespace cim::transfer
