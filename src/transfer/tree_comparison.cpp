// What differs between two trees.
#include "transfer/tree_comparison.h"

#include <algorithm>
#include <cstring>

#include <sys/stat.h>

#include "format/filetime.h"
#include "posix/attributes.h"
#include "transfer/image_tree_view.h"

namespace cim::transfer {
namespace {

constexpr std::size_t buffer_size = 1 << 20;

// Less than, equal to or greater than 0 if a walk meets `a` before, with or after `b`. A
// directory's contents come before its next sibling, so `/` is less than any byte of a name.
int compare_in_walk_order(std::string_view a, std::string_view b) {
  const auto [in_a, in_b] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  const auto rank = [](std::string_view path, std::string_view::const_iterator at) {
    if (at == path.end()) return 0;
    return *at == '/' ? 1 : 1 + static_cast<unsigned char>(*at);
  };
  return rank(a, in_a) - rank(b, in_b);
}

// Whether two records agree in everything compared except links. If not, the files may still be
// equal.
bool same_record(const File& a, const File& b, const SharedRegions& shared) {
  // The target of a Windows link depends on the link's path.
  if (posix::is_symlink(a) || posix::is_symlink(b)) return false;
  if (a.stream_table_offset != 0 || b.stream_table_offset != 0) return false;
  if (a.attributes != b.attributes || a.reparse_tag != b.reparse_tag ||
      a.last_write_time != b.last_write_time ||
      a.extended_attributes_length != b.extended_attributes_length) {
    return false;
  }
  if (!shared.same_object(a.extended_attributes_offset, b.extended_attributes_offset)) {
    return false;
  }
  if (a.is_directory() && b.is_directory()) return true;
  return shared.same_stream(a.stream, b.stream);
}

bool is_device(mode_t mode) { return S_ISCHR(mode) || S_ISBLK(mode); }

bool same_time(const timespec& a, const timespec& b) {
  return format::to_filetime(a) == format::to_filetime(b);
}

}  // namespace

TreeComparison::Side::Side(TreeView& walked_tree)
    : tree(walked_tree), image(dynamic_cast<const ImageTreeView*>(&walked_tree)) {}

TreeComparison::TreeComparison(TreeView& old_tree, TreeView& new_tree, Progress* progress)
    : progress_(progress),
      old_(old_tree),
      new_(new_tree),
      old_buffer_(buffer_size),
      new_buffer_(buffer_size) {
  if (old_.image == nullptr || new_.image == nullptr) return;
  shared_ = SharedRegions(old_.image->image(), new_.image->image());
}

void TreeComparison::Side::advance() {
  if (!moved_past || at_end) return;
  at_end = !tree.next();
  moved_past = false;
}

// The first path of the current file that both trees have.
std::string TreeComparison::Side::first_name() {
  std::string path(tree.path());
  const FileIdentity identity = tree.identity();
  if (identity.names < 2) return path;
  return first_names.try_emplace(identity.key, std::move(path)).first->second;
}

std::optional<Difference> TreeComparison::next() {
  using Kind = Difference::Kind;
  while (true) {
    old_.advance();
    new_.advance();
    if (old_.at_end && new_.at_end) return std::nullopt;
    const int order = compare_paths();
    old_.moved_past = order <= 0;
    new_.moved_past = order >= 0;
    if (order < 0) return Difference{Kind::removed, std::string(old_.tree.path()), {}};
    if (order > 0) return Difference{Kind::added, std::string(new_.tree.path()), {}};
    std::vector<Aspect> aspects = changed_aspects();
    advance({.files = 1});
    if (aspects.empty()) continue;
    return Difference{Kind::changed, std::string(new_.tree.path()), std::move(aspects)};
  }
}

int TreeComparison::compare_paths() const {
  if (old_.at_end) return 1;
  if (new_.at_end) return -1;
  return compare_in_walk_order(old_.tree.path(), new_.tree.path());
}

std::vector<Aspect> TreeComparison::changed_aspects() {
  const bool links_changed = old_.first_name() != new_.first_name();
  std::vector<Aspect> aspects;
  if (!shares_record()) aspects = changed_attributes();
  if (links_changed && (aspects.empty() || aspects.front() != Aspect::type)) {
    aspects.push_back(Aspect::links);
  }
  return aspects;
}

bool TreeComparison::shares_record() const {
  if (shared_.none()) return false;
  return same_record(old_.image->file(), new_.image->file(), shared_);
}

// All aspects but links.
std::vector<Aspect> TreeComparison::changed_attributes() {
  const struct stat before = old_.tree.status();
  const struct stat after = new_.tree.status();
  const mode_t type = after.st_mode & S_IFMT;
  if ((before.st_mode & S_IFMT) != type) return {Aspect::type};

  std::vector<Aspect> aspects;
  const auto add_if = [&](bool changed, Aspect aspect) {
    if (changed) aspects.push_back(aspect);
  };
  add_if(S_ISREG(type) && !same_content(before, after), Aspect::content);
  add_if(S_ISLNK(type) && old_.tree.symlink_target() != new_.tree.symlink_target(), Aspect::target);
  add_if(is_device(type) && before.st_rdev != after.st_rdev, Aspect::device);
  add_if(!S_ISLNK(type) && before.st_mode != after.st_mode, Aspect::mode);
  add_if(before.st_uid != after.st_uid || before.st_gid != after.st_gid, Aspect::owner);
  add_if(!same_time(before.st_mtim, after.st_mtim), Aspect::time);
  add_if(old_.tree.xattrs() != new_.tree.xattrs(), Aspect::xattrs);
  return aspects;
}

bool TreeComparison::same_content(const struct stat& before, const struct stat& after) {
  if (before.st_size != after.st_size) return false;
  if (shares_data()) return true;
  // Compares what can be read: the sizes of files that a kernel makes up are wrong.
  for (std::uint64_t offset = 0;;) {
    offset = std::min(old_.tree.next_data(offset), new_.tree.next_data(offset));
    const std::size_t length = old_.tree.read(offset, old_buffer_);
    if (new_.tree.read(offset, new_buffer_) != length) return false;
    if (std::memcmp(old_buffer_.data(), new_buffer_.data(), length) != 0) return false;
    advance({.bytes = length});
    if (length < old_buffer_.size()) return true;
    offset += length;
  }
}

void TreeComparison::advance(const Amount& step) const {
  if (progress_ != nullptr) progress_->advance(step);
}

bool TreeComparison::shares_data() const {
  if (shared_.none()) return false;
  return shared_.same_stream(old_.image->file().stream, new_.image->file().stream);
}

}  // namespace cim::transfer
