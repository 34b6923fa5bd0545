// The upper directory of an overlay as a source of entries.
#include "transfer/upper_source.h"

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>
#include <variant>

#include <cim/name.h>
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include "posix/attributes.h"

namespace cim::transfer {
namespace {

constexpr std::u16string_view whiteout_prefix = u".wh.";
constexpr const char* opaque_file = ".wh..wh..opq";

posix::LinuxMetadata& linux_metadata(Entry& entry) {
  return std::get<posix::LinuxMetadata>(entry.metadata);
}

const posix::LinuxMetadata& linux_metadata(const Entry& entry) {
  return std::get<posix::LinuxMetadata>(entry.metadata);
}

std::u16string_view last_name(std::u16string_view path) {
  return path.substr(path.rfind(u'\\') + 1);  // npos + 1 is 0
}

bool exists(const std::string& path) {
  return faccessat(AT_FDCWD, path.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

}  // namespace

UpperSource::UpperSource(const std::string& upper, const std::optional<std::string>& work,
                         OverlayKind kind, const ImportOptions& options, Progress& progress)
    : upper_(upper),
      has_index_(work && exists(*work + "/index")),
      kind_(kind),
      options_(options),
      progress_(progress),
      base_(*options.base),
      moves_(kind == OverlayKind::kernel ? find_overlay_moves(upper, kind, base_)
                                         : std::vector<OverlayMove>()),
      index_(work ? read_overlay_index(*work, base_) : std::vector<IndexedFile>()),
      aside_(unused_name()),
      origins_(base_),
      upper_files_(upper, u"", options, progress),
      file_(&upper_files_) {
  for (std::size_t i = 0; i < index_.size(); ++i) indexed_keys_.emplace(index_[i].key, i);
  for (std::size_t i = 0; i < moves_.size(); ++i) moved_paths_.emplace(moves_[i].to, i);
}

const Entry* UpperSource::next() {
  if (!std::exchange(prepared_, true)) prepare();
  while (entries_.empty()) {
    if (finished_) return nullptr;
    if (take_indexed_file() || take_upper_file()) continue;
    finished_ = true;
    if (!moves_.empty() || !index_.empty()) add_removal(aside_);
  }
  entry_ = std::move(entries_.front());
  entries_.pop_front();
  return &entry_;
}

// Moves aside what is to be found later, whatever has happened to its place.
void UpperSource::prepare() {
  if (moves_.empty() && index_.empty()) return;
  entries_.push_back(
      {.kind = Entry::Kind::directory, .path = aside_, .metadata = WindowsMetadata()});
  for (std::size_t i = 0; i < index_.size(); ++i) {
    entries_.push_back(
        {.kind = Entry::Kind::hard_link, .path = aside(u'f', i), .target = index_[i].name});
  }
  for (std::size_t i = 0; i < moves_.size(); ++i) {
    entries_.push_back(
        {.kind = Entry::Kind::move, .path = aside(u'd', i), .target = moves_[i].from});
  }
}

bool UpperSource::take_indexed_file() {
  if (next_indexed_ == index_.size()) {
    file_ = &upper_files_;
    return false;
  }
  const std::size_t number = next_indexed_++;
  if (indexed_file_) incomplete_ += indexed_file_->incomplete();
  file_ = &indexed_file_.emplace(index_[number].changed, aside(u'f', number), options_, progress_);
  Entry entry = *indexed_file_->next();
  try {
    const OverlayMarks marks = take_marks(linux_metadata(entry), kind_, stat_override_);
    warn_of_lost_attributes(marks);
    entry.kind = marks.metacopy ? Entry::Kind::metadata : Entry::Kind::rewritten;
  } catch (const Error& error) {
    throw error.with_path(name());
  }
  entries_.push_back(std::move(entry));
  return true;
}

bool UpperSource::take_upper_file() {
  const Entry* const entry = upper_files_.next();
  if (entry == nullptr) return false;
  try {
    take(*entry);
  } catch (const Error& error) {
    throw error.with_path(name());
  }
  return true;
}

// Adds what `entry`, a file of the upper directory, means.
void UpperSource::take(const Entry& entry) {
  const std::u16string_view name = last_name(entry.path);
  if (kind_ == OverlayKind::fuse_overlayfs && name.starts_with(whiteout_prefix)) {
    return take_whiteout_name(entry, name.substr(whiteout_prefix.size()));
  }
  origins_.move_to(entry.path);
  const posix::LinuxMetadata& metadata = linux_metadata(entry);
  if (is_whiteout(metadata, kind_)) return add_removal(entry.path);
  if (entry.path.empty() && kind_ == OverlayKind::fuse_overlayfs) {
    stat_override_ = find_stat_override(metadata);
  }
  const auto indexed = indexed_keys_.find(key_of(metadata.status));
  if (indexed != indexed_keys_.end()) {
    entries_.push_back({.kind = Entry::Kind::hard_link,
                        .path = entry.path,
                        .target = aside(u'f', indexed->second)});
    return;
  }
  Entry changed = entry;
  const OverlayMarks marks = take_marks(linux_metadata(changed), kind_, stat_override_);
  check_origin(marks);
  check_index(entry, marks);
  warn_of_lost_attributes(marks);
  if (changed.kind == Entry::Kind::directory) return take_directory(std::move(changed), marks);
  take_file(std::move(changed), marks);
}

void UpperSource::take_whiteout_name(const Entry& entry, std::u16string_view name) {
  if (name.empty() || name.starts_with(whiteout_prefix)) return;  // of AUFS; is_opaque() knows it
  std::u16string hidden = entry.path;
  hidden.resize(hidden.size() - last_name(hidden).size());
  hidden += name;
  if (!exists(upper_ + "/" + image_to_linux_path(hidden))) add_removal(hidden);
}

void UpperSource::take_file(Entry entry, const OverlayMarks& marks) {
  if (entry.kind == Entry::Kind::file) {
    warn_of_other_names(marks);
    if (marks.metacopy) return take_metacopy(std::move(entry), marks);
    // fuse-overlayfs may have made a device of a file.
    if (!S_ISREG(linux_metadata(entry).status.st_mode)) entry.size = 0;
  }
  entries_.push_back(std::move(entry));
}

void UpperSource::take_metacopy(Entry entry, const OverlayMarks& marks) {
  const std::optional<Origin> origin = origins_.origin(marks);
  if (!origin) {
    throw Error(Errc::path_not_found,
                "has only metadata, and " + base_.path() + " has no file with its data");
  }
  if (!is_regular(base_, origin->file) || origin->file.stream.length != entry.size) {
    throw Error(Errc::invalid_argument,
                fmt::format("has only metadata, and its data is not {} of {}: that is another file",
                            image_to_linux_path(origin->path), base_.path()));
  }
  entry.kind = Entry::Kind::copy;
  entry.source = origin->file.id;
  entries_.push_back(std::move(entry));
}

void UpperSource::take_directory(Entry entry, const OverlayMarks& marks) {
  std::optional<Origin> origin;
  if (entry.path.empty() || !is_opaque(entry, marks)) origin = origins_.origin(marks);
  if (!is_merged(origin)) origin.reset();
  const auto moved = moved_paths_.find(entry.path);
  if (origins_.counterpart() && (!origin || moved != moved_paths_.end())) add_removal(entry.path);
  if (origin && moved != moved_paths_.end()) {
    entries_.push_back(
        {.kind = Entry::Kind::move, .path = entry.path, .target = aside(u'd', moved->second)});
  }
  if (origin) take_streams(entry, origin->file);
  origins_.enter(origin);
  // The directory must be there before its streams can go.
  const auto place = std::ranges::find(entries_, Entry::Kind::stream_removal, &Entry::kind);
  entries_.insert(place, std::move(entry));
}

// A stream of the directory below is an attribute of the overlay's: it stays one if that has not
// changed, and is gone otherwise.
void UpperSource::take_streams(Entry& directory, const File& origin) {
  auto& xattrs = linux_metadata(directory).xattrs;
  for (const posix::StreamXattr& stream : posix::stream_xattrs(base_, origin)) {
    const bool is_shown = stream.obstacle == posix::StreamXattr::Obstacle::none;
    const auto same = std::ranges::find_if(xattrs, [&](const auto& attribute) {
      return is_shown && attribute.first == posix::xattr_name(stream) &&
             attribute.second == posix::xattr_value(base_, stream);
    });
    if (same != xattrs.end()) {
      xattrs.erase(same);
      continue;
    }
    entries_.push_back({.kind = Entry::Kind::stream_removal,
                        .path = directory.path,
                        .target = linux_to_image_name(stream.name)});
  }
}

bool UpperSource::is_opaque(const Entry& directory, const OverlayMarks& marks) const {
  if (marks.opaque) return true;
  return kind_ == OverlayKind::fuse_overlayfs &&
         exists(upper_ + "/" + image_to_linux_path(directory.path) + "/" + opaque_file);
}

void UpperSource::check_origin(const OverlayMarks& marks) const {
  if (!marks.origin.empty()) file_of_handle(base_, marks.origin);
}

// The kernel notes an origin of the root only to check the index.
void UpperSource::check_index(const Entry& entry, const OverlayMarks& marks) const {
  if (!marks.indexed && (!entry.path.empty() || marks.origin.empty())) return;
  if (!has_index_) {
    throw Error(Errc::unsupported,
                "the overlay had the option index=on; its workdir is needed, too (--work)");
  }
  if (!marks.indexed) return;
  throw Error(Errc::unsupported, "is not in the index of the workdir, which is of another overlay");
}

void UpperSource::warn_of_lost_attributes(const OverlayMarks& marks) {
  if (!marks.has_attributes_lost) return;
  progress_.warn(name() + ": an image cannot hold its file attributes, such as 'immutable'");
}

// fuse-overlayfs may show, or not, what has been changed by one name of a file by the others.
void UpperSource::warn_of_other_names(const OverlayMarks& marks) {
  if (marks.origin_path.empty()) return;
  const auto origin = base_.resolve(linux_to_image_path(marks.origin_path));
  if (!origin || base_.file(*origin).is_directory()) return;
  if (base_.link_count(base_.file(*origin)) < 2) return;
  progress_.warn(
      fmt::format("{}: the other names of {} keep what they had", name(), marks.origin_path));
}

void UpperSource::add_removal(const std::u16string& path) {
  entries_.push_back({.kind = Entry::Kind::removal, .path = path});
}

// A name that neither the root of the image nor that of the upper directory has.
std::u16string UpperSource::unused_name() const {
  for (int number = 0;; ++number) {
    const std::string name = fmt::format("aside-{}", number);
    const std::u16string path = linux_to_image_name(name);
    if (!base_.resolve(path) && !exists(upper_ + "/" + name)) return path;
  }
}

std::u16string UpperSource::aside(char16_t kind, std::size_t number) const {
  return aside_ + u'\\' + kind + linux_to_image_name(std::to_string(number));
}

}  // namespace cim::transfer
