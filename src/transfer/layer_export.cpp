// An image -> a layer of a container.
#include "transfer/layer_export.h"

#include <algorithm>
#include <memory>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "transfer/image_changes.h"
#include "transfer/layer_names.h"
#include "transfer/member_writer.h"
#include "transfer/registry_hives.h"
#include "transfer/windows_member_writer.h"

namespace cim::transfer {
namespace {

constexpr std::string_view whiteout_prefix = ".wh.";

// Whether `path`, or that of a directory on the way to it, would be read as a whiteout.
bool has_whiteout_name(const std::string& path) {
  return ('/' + path).find('/' + std::string(whiteout_prefix)) != std::string::npos;
}

// Whether `path` is below the directory `directory`.
bool is_below(std::string_view path, std::string_view directory) {
  if (directory.empty()) return !path.empty();
  return path.starts_with(directory) && path.substr(directory.size()).starts_with('/');
}

std::unique_ptr<MemberWriter> make_writer(const Image& image, Output& output, Progress& progress) {
  if (image.case_sensitive()) {
    return std::make_unique<LinuxMemberWriter>(image, output, progress);
  }
  return std::make_unique<WindowsMemberWriter>(image, output, progress);
}

class LayerExport {
 public:
  LayerExport(const Image& image, const Image* parent, Output& output, Progress& progress)
      : image_(image),
        is_windows_(!image.case_sensitive()),
        is_base_(parent == nullptr),
        changes_(parent, image, progress),
        archive_(make_writer(image, output, progress)) {}

  std::uint64_t run() {
    const auto files = is_windows_ ? image_.resolve(u"Files") : std::nullopt;
    if (is_windows_ && !files) {
      throw Error(Errc::path_not_found, "has no directory Files, as a layer of Windows has")
          .with_image(image_.path());
    }
    while (const auto change = changes_.next()) {
      if (has_place(*change)) add(*change);
    }
    // By an empty layer nobody would know that it is of Windows.
    if (is_windows_ && is_empty_) archive_->add(image_.file(*files), "Files");
    archive_->finish();
    return archive_->incomplete();
  }

 private:
  // Whether layers have something at the path of `change`.
  bool has_place(const Change& change) {
    if (is_windows_ && !has_place_on_windows(change)) return false;
    if (!left_out_.empty() && is_below(change.path, left_out_)) return false;
    if (!has_whiteout_name(change.path)) return true;
    if (change.kind == Change::Kind::same_directory) return false;
    archive_->warn(change.path + ": a layer cannot hold such a name; left out");
    left_out_ = change.path;
    return false;
  }

  bool has_place_on_windows(const Change& change) {
    const std::u16string path = linux_to_image_path(change.path);
    const std::u16string top = path.substr(0, path.find(u'\\'));
    if (equal_on_windows(top, u"Files") || equal_on_windows(top, u"UtilityVM")) return true;
    if (equal_on_windows(top, u"Hives")) return !is_base_ && !is_base_hive(path);
    const bool is_other = !top.empty() && path == top && !equal_on_windows(top, u"layout");
    const bool is_there =
        change.kind == Change::Kind::added || change.kind == Change::Kind::changed;
    if (is_other && is_there) {
      archive_->warn(change.path + ": a layer of Windows has no place for it; left out");
    }
    return false;
  }

  static bool is_base_hive(std::u16string_view path) {
    return std::ranges::any_of(registry_hives, [&](const RegistryHive& hive) {
      return equal_on_windows(path, hive.base);
    });
  }

  void add(const Change& change) {
    while (!pending_.empty() && !is_below(change.path, pending_.back().path)) pending_.pop_back();
    if (change.kind == Change::Kind::same_directory) return pending_.push_back(change);
    for (const Change& directory : pending_) add_directory(directory.file, directory.path);
    pending_.clear();
    is_empty_ = false;
    if (change.kind == Change::Kind::removed) return add_whiteout(change.path);
    if (is_read_as_stream(change)) {
      return archive_->warn(
          fmt::format("{}: would be read as a stream of {}; left out", change.path, last_path_));
    }
    add_file(change);
    last_path_ = change.path;
  }

  void add_whiteout(const std::string& path) {
    const std::size_t name = path.rfind('/') + 1;  // npos + 1 is 0
    archive_->add_marker(path.substr(0, name) + std::string(whiteout_prefix) + path.substr(name));
    last_path_.clear();
  }

  // A stream's name has a `:`, and so can that of a file.
  bool is_read_as_stream(const Change& change) const {
    return is_windows_ && !last_path_.empty() && !change.file.is_directory() &&
           change.path.starts_with(last_path_ + ':');
  }

  void add_file(const Change& change) {
    if (change.file.is_directory()) return add_directory(change.file, change.path);
    if (is_base_ || image_.link_count(change.file) < 2) {
      return archive_->add(change.file, change.path);
    }
    if (is_windows_) return add_file_of_windows(change);
    // Docker and Podman unpack a layer by itself, so a link cannot lead to a name in one below.
    archive_->add(change.file, change.path);
    if (!files_with_links_.insert(change.file.id).second) return;
    for (const std::string& name : changes_.kept_names(change.file)) {
      add_directories_above(name);
      archive_->add(change.file, name);
    }
  }

  void add_file_of_windows(const Change& change) {
    const auto names = changes_.kept_names(change.file);
    const auto target = std::ranges::find_if(
        names, [&](const std::string& name) { return !is_base_hive(linux_to_image_path(name)); });
    if (target == names.end()) return archive_->add(change.file, change.path);
    archive_->add_link(change.file, change.path, *target);
  }

  void add_directory(const File& directory, const std::string& path) {
    if (directories_.insert(path).second) archive_->add(directory, path);
  }

  void add_directories_above(const std::string& path) {
    for (std::size_t end = path.find('/'); end != std::string::npos;
         end = path.find('/', end + 1)) {
      const std::string directory = path.substr(0, end);
      const auto id = image_.resolve(linux_to_image_path(directory));
      if (id) add_directory(image_.file(*id), directory);
    }
  }

  const Image& image_;
  const bool is_windows_;
  const bool is_base_;
  ImageChanges changes_;
  const std::unique_ptr<MemberWriter> archive_;
  std::vector<Change> pending_;  // directories on the way that are not in the archive yet
  std::unordered_set<std::string> directories_;  // that are in the archive
  std::unordered_set<FileId> files_with_links_;  // with all their names in the archive
  std::string last_path_;                        // of the last member, unless that is a whiteout
  std::string left_out_;                         // the last path without a place
  bool is_empty_ = true;
};

}  // namespace

std::uint64_t export_layer(const Image& image, const Image* parent, Output& output,
                           Progress& progress) {
  if (parent != nullptr && parent->case_sensitive() != image.case_sensitive()) {
    throw Error(Errc::invalid_argument,
                "is no layer below an image that treats the case of names differently")
        .with_image(parent->path());
  }
  return LayerExport(image, parent, output, progress).run();
}

}  // namespace cim::transfer
