// Walks the tree of an image.
#pragma once

#include <map>
#include <string>
#include <unordered_set>
#include <vector>

#include <cim/image.h>

#include "image/metadata_tally.h"

namespace cim::transfer {

// Calls visit(name, id) for each entry of `directory` until it returns false.
template <typename Visit>
void for_each_entry(const Image& image, const File& directory, Visit visit) {
  const Directory entries = image.entries(directory);
  EntryName name;
  for (std::uint32_t index = 0; index < entries.size(); ++index) {
    const FileId id = image.entry(entries, index, name);
    if (!visit(name.view(), id)) return;
  }
}

// A selection of an image's files.
struct Selection {
  // Those at these paths (see cim/name.h) and everything below them; all files if there are none.
  std::vector<std::u16string> paths = {};

  // Patterns of files to leave out of these, see is_excluded().
  std::vector<std::string> exclude = {};
};

// The order in which the entries of a directory are visited.
enum class EntryOrder {
  image,  // as the image has them
  bytes,  // by the bytes of their Linux names, as SourceWalk does, whatever the image
};

// Visits the root directory and everything below it, each directory before and after its contents:
//
//   for (auto step = walk.next(); step != ImageWalk::Step::end; step = walk.next()) ...
//
// A link to a directory, as Windows has them, is a file here. The walk ends with an Error even in
// an image made to be endless. For one thread at a time.
class ImageWalk {
 public:
  enum class Step {
    file,             // file() is anything but a directory
    enter_directory,  // file() is a directory, its entries come next
    leave_directory,  // the innermost directory is done; there is no file()
    end,
  };

  // `image` must outlive the walk. Throws Error (file_not_found) if a path of `selection` is not in
  // the image.
  ImageWalk(const Image& image, const Selection& selection, EntryOrder order = EntryOrder::image);

  // Moves on. Throws Error (corrupt), also for a directory that is met again, a name that no Linux
  // file may have, a path over the limit, and more entries or alternate streams than the metadata
  // can hold.
  Step next();

  // Skips the contents of the directory just entered, and the step that leaves it. They are not
  // even read.
  void skip_directory() {
    levels_.pop_back();
    listed_ = true;
  }

  const Image& image() const noexcept { return image_; }

  const File& file() const noexcept { return file_; }

  // The name of file(), and its path without a leading `/`; both "" for the root.
  const std::string& name() const noexcept { return name_; }
  const std::string& path() const noexcept { return path_; }

  // Whether file() is part of the selection, rather than only on the way to a part of it.
  bool selected() const noexcept { return selected_; }

  // Whether file() is the last entry of its directory.
  bool is_last() const noexcept { return is_last_; }

 private:
  // The paths of a selection, merged, under the names they have in the image.
  struct SelectionTree {
    bool whole = false;  // this file and everything below it
    std::map<std::u16string, SelectionTree> children;
  };

  struct Entry {
    std::string name;
    FileId id;
    const SelectionTree* selection;  // null: everything
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
  void list();
  bool is_left_out(const Entry& entry) const;
  std::vector<Entry> all_entries();
  std::vector<Entry> selected_entries(const SelectionTree& selection) const;

  const Image& image_;
  const EntryOrder order_;
  const std::vector<std::string> exclude_;
  MetadataTally tally_;
  SelectionTree selection_;
  bool started_ = false;
  std::vector<Level> levels_;
  bool listed_ = true;  // whether the innermost directory's entries have been read
  const SelectionTree* entered_ = nullptr;  // what is selected of it, as in Entry
  std::unordered_set<FileId> visited_directories_;
  File file_;
  std::string name_;
  std::string path_;
  bool selected_ = false;
  bool is_last_ = false;
};

}  // namespace cim::transfer
