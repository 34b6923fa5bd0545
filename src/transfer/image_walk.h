// Walks the tree of an image.
#pragma once

#include <map>
#include <string>
#include <unordered_set>
#include <vector>

#include <cim/image.h>

#include "image/metadata_tally.h"

namespace cim::transfer {

// Which files of an image something is about: those at these paths (see cim/name.h) with all below
// them, or all files if there are no paths.
using Selection = std::vector<std::u16string>;

// In which order the entries of a directory are visited.
enum class EntryOrder {
  image,  // as the image has them
  bytes,  // by the bytes of their Linux names, as SourceWalk does, whatever the image
};

// Visits the root directory and what is below it, each directory before and after what it holds:
//
//   for (auto step = walk.next(); step != ImageWalk::Step::end; step = walk.next()) ...
//
// A link to a directory, as Windows has them, is a file here. The walk ends even in an image that
// is made to be endless, with an Error. For one thread at a time.
class ImageWalk {
 public:
  enum class Step {
    file,             // file() is anything but a directory
    enter_directory,  // file() is a directory, its entries come next
    leave_directory,  // the directory that was entered last and not left yet is done; there is no
                      // file()
    end,
  };

  // `image` must outlive the walk. Throws Error (file_not_found) if a path of `selection` is not in
  // the image.
  ImageWalk(const Image& image, const Selection& selection, EntryOrder order = EntryOrder::image);

  // Moves on. Throws Error (corrupt), also for a directory that is met a second time, a name that
  // no Linux file may have, a path that is longer than any may be, and more entries or alternate
  // streams than the metadata can hold.
  Step next();

  // Passes over what is in the directory that was just entered, and over leaving it.
  void skip_directory() { levels_.pop_back(); }

  const Image& image() const noexcept { return image_; }

  const File& file() const noexcept { return file_; }

  // The name of file(), and its path without a leading `/`; both "" for the root.
  const std::string& name() const noexcept { return name_; }
  const std::string& path() const noexcept { return path_; }

  // Whether file() is part of the selection, and not only on the way to a part of it.
  bool selected() const noexcept { return selected_; }

  // Whether no entry of the same directory comes after file().
  bool is_last() const noexcept { return is_last_; }

 private:
  // The paths of a selection, merged, with the names that the image has them under.
  struct SelectionTree {
    bool whole = false;  // this file and all below it
    std::map<std::u16string, SelectionTree> children;
  };

  struct Entry {
    std::string name;
    FileId id;
    const SelectionTree* selection;  // null: all of it
  };

  struct Level {
    std::vector<Entry> entries;
    std::size_t next;         // index of the next entry to visit
    std::size_t path_length;  // of the directory's own path
  };

  void select(const std::u16string& path);
  Error error(Errc code, std::string_view path, const std::string& reason) const;
  Step visit(const Entry& entry);
  void enter(const SelectionTree* selection);
  std::vector<Entry> all_entries();
  std::vector<Entry> selected_entries(const SelectionTree& selection) const;

  const Image& image_;
  const EntryOrder order_;
  MetadataTally tally_;
  SelectionTree selection_;
  bool started_ = false;
  std::vector<Level> levels_;
  std::unordered_set<FileId> visited_directories_;
  File file_;
  std::string name_;
  std::string path_;
  bool selected_ = false;
  bool is_last_ = false;
};

}  // namespace cim::transfer
