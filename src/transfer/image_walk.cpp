// Walks the tree of an image.
#include "transfer/image_walk.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "format/upcase.h"
#include "posix/attributes.h"
#include "transfer/patterns.h"

namespace cim::transfer {
namespace {

// The entry of `directory` that `name` means; its own name can differ where case is ignored.
std::optional<std::pair<std::u16string, FileId>> find_entry(const Image& image,
                                                            const File& directory,
                                                            std::u16string_view name) {
  const std::optional<FileId> id = image.find(directory, name);
  if (!id) return std::nullopt;
  if (image.case_sensitive()) return std::pair(std::u16string(name), *id);
  std::u16string stored_name(name);
  for_each_entry(image, directory, [&](std::u16string_view candidate, FileId candidate_id) {
    if (candidate_id != *id || format::compare_names(candidate, name, image.upcase_table()) != 0) {
      return true;
    }
    stored_name = candidate;
    return false;
  });
  return std::pair(stored_name, *id);
}

// Calls visit(component) for each name in `path`.
template <typename Visit>
void for_each_component(std::u16string_view path, Visit visit) {
  while (!path.empty()) {
    const std::size_t end = std::min(path.find(u'\\'), path.size());
    visit(path.substr(0, end));
    path.remove_prefix(std::min(end + 1, path.size()));
  }
}

// Whether a directory may have an entry `name`. The image's reader has refused such names already;
// trusting one here would let an image write outside its destination.
bool is_safe_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." &&
         name.find_first_of(std::string_view("/\0", 2)) == std::string_view::npos;
}

// A path of max_path_units takes at most three bytes for each unit, and two units for each name.
constexpr std::size_t max_path_bytes = 3 * max_path_units;
constexpr std::size_t max_depth = max_path_units / 2 + 1;

}  // namespace

ImageWalk::ImageWalk(const Image& image, const Selection& selection, EntryOrder order)
    : image_(image), order_(order), exclude_(selection.exclude), tally_(image) {
  image.read_metadata_ahead();
  if (selection.paths.empty()) selection_.whole = true;
  for (const std::u16string& path : selection.paths) select(path);
}

void ImageWalk::select(const std::u16string& path) {
  SelectionTree* node = &selection_;
  File file = image_.file(image_.root());
  for_each_component(path, [&](std::u16string_view component) {
    const auto entry =
        posix::is_directory(file) ? find_entry(image_, file, component) : std::nullopt;
    if (!entry) {
      throw error(Errc::file_not_found, image_to_linux_path(path), "no such file or directory");
    }
    node = &node->children[entry->first];
    file = image_.file(entry->second);
  });
  node->whole = true;
}

ImageWalk::Step ImageWalk::next() {
  if (!started_) {
    started_ = true;
    is_last_ = true;
    return visit({{}, image_.root(), &selection_});
  }
  if (levels_.empty()) return Step::end;
  if (!listed_) list();
  Level& level = levels_.back();
  path_.resize(level.path_length);
  if (level.next < level.entries.size()) {
    const Entry entry = std::move(level.entries[level.next++]);
    is_last_ = level.next == level.entries.size();
    return visit(entry);
  }
  levels_.pop_back();
  return Step::leave_directory;
}

// An Error about the file `path` of the image.
Error ImageWalk::error(Errc code, std::string_view path, const std::string& reason) const {
  return Error(code, reason).with_image(image_.path()).with_path(path);
}

ImageWalk::Step ImageWalk::visit(const Entry& entry) {
  name_ = entry.name;
  if (!path_.empty()) path_ += '/';
  path_ += name_;
  if (path_.size() > max_path_bytes || levels_.size() > max_depth) {
    throw error(Errc::corrupt, path_.substr(0, 80) + "...",
                fmt::format("a path of more than {} characters", max_path_units));
  }
  const bool is_root = levels_.empty();
  if (!is_root && !is_safe_name(name_)) {
    throw error(Errc::corrupt, path_, "no file may have such a name");
  }
  file_ = image_.file(entry.id);
  tally_.add_part_of_file(ImageInternals(image_).stream_table_size(file_));
  selected_ = entry.selection == nullptr || entry.selection->whole;
  if (!posix::is_directory(file_)) return Step::file;
  enter(selected_ ? nullptr : entry.selection);
  return Step::enter_directory;
}

void ImageWalk::enter(const SelectionTree* selection) {
  if (!visited_directories_.insert(file_.id).second) {
    throw error(Errc::corrupt, path_, "a directory has more than one name");
  }
  levels_.push_back({{}, 0, path_.size()});
  entered_ = selection;
  listed_ = false;
  if (levels_.size() == 1) list();  // a fault in the root shows before anything is done
}

// Reads the entries of the directory just entered.
void ImageWalk::list() {
  std::vector<Entry> entries = entered_ == nullptr ? all_entries() : selected_entries(*entered_);
  if (!exclude_.empty()) {
    std::erase_if(entries, [this](const Entry& entry) { return is_left_out(entry); });
  }
  if (order_ == EntryOrder::bytes) std::ranges::sort(entries, {}, &Entry::name);
  levels_.back().entries = std::move(entries);
  listed_ = true;
}

// For an entry of the directory at path_.
bool ImageWalk::is_left_out(const Entry& entry) const {
  return is_excluded(exclude_, path_.empty() ? entry.name : path_ + '/' + entry.name);
}

std::vector<ImageWalk::Entry> ImageWalk::all_entries() {
  std::vector<Entry> entries;
  for_each_entry(image_, file_, [&](std::u16string_view name, FileId id) {
    tally_.add_entry(name);
    entries.push_back({image_to_linux_name(name), id, nullptr});
    return true;
  });
  return entries;
}

std::vector<ImageWalk::Entry> ImageWalk::selected_entries(const SelectionTree& selection) const {
  std::vector<Entry> entries;
  for (const auto& [name, child] : selection.children) {
    if (const auto id = image_.find(file_, name)) {
      entries.push_back({image_to_linux_name(name), *id, &child});
    }
  }
  return entries;
}

}  // namespace cim::transfer
